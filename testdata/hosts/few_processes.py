"""Become USER, who has nothing else running; allow ROOM more threads and processes, restart TIMES over, allow more."""
import ctypes
import os
import resource
import sys

from common import are_given_back, manager, resources, shell, tell, until

from processman import StartFailed

user, room, times = map(int, sys.argv[1:])
made = manager(shell("fails", "echo ready; exec sleep 600", autostart=False, max_retries=-1),
               shell("bystander", "echo ready; exec sleep 600"))
os.setgroups([])
os.setgid(user)
os.setuid(user)
ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE: else our own /proc is root's
made.start()
made.wait_for("bystander", "running", timeout=30)
made.start_process("fails", timeout=30)
made.stop_process("fails", timeout=30)
before = resources()
soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
mine = before[1] + 1  # the threads of this host, and the bystander
resource.setrlimit(resource.RLIMIT_NPROC, (mine + room, hard))
errors = set()
for _ in range(times):
    try:
        made.restart_process("fails", timeout=30)
    except StartFailed as error:
        errors.add(error.status.last_error)
        last = error.status.status
until(lambda: are_given_back(before), timeout=10)
resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
made.wait_for("fails", "running", timeout=30)
bystander = made.status("bystander").run
made.stop()
tell(errors=sorted(errors), status=last, bystander=bystander, user=os.getuid())
