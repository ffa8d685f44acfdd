"""Let only ROOM descriptors be had while a process is restarted TIMES over and another crashes, then more again.

The one that crashes leaves a child in a session of its own, which keeps the pipes.
"""
import os
import resource
import signal
import sys

from common import are_given_back, is_alive, manager, resources, shell, tell, until

from processman import StartFailed

room, times = map(int, sys.argv[1:])
made = manager(
    shell("fails", "echo ready; exec sleep 600", autostart=False, max_retries=-1),
    shell("crashes", "setsid sleep 600 & echo pid $!; wait", max_retries=-1, stop_timeout="500ms"),
    shell("bystander", "echo ready; exec sleep 600"),
)
made.start()
for id in ("crashes", "bystander"):
    made.wait_for(id, lambda status: status.status == "running", timeout=30)
made.start_process("fails", timeout=30)
made.stop_process("fails", timeout=30)
until(lambda: made.logs("crashes"))
rest = int(made.logs("crashes")[0].content.split()[1])
before = resources()
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
highest = max(int(name) for name in os.listdir("/proc/self/fd"))
fillers = [os.open("/dev/null", os.O_RDONLY) for _ in range(highest + 1 - before[0])]  # no gaps below the limit
top = max(fillers + [highest])
resource.setrlimit(resource.RLIMIT_NOFILE, (top + 1 + room, hard))
errors = set()
for _ in range(times):
    try:
        made.restart_process("fails", timeout=30)
    except StartFailed as error:
        errors.add(error.status.last_error)
os.kill(made.status("crashes").pid, signal.SIGKILL)
made.wait_for("crashes", lambda status: status.status != "running", timeout=30)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
for fd in fillers:
    os.close(fd)
tell(errors=sorted(errors))
made.wait_for("crashes", "running", timeout=30)
left = is_alive(rest)  # by the mark a stop would find it, so it is looked for before
made.wait_for("fails", "running", timeout=30)
made.stop_process("fails", timeout=30)
until(lambda: are_given_back(before), timeout=10)
made.start_process("fails", timeout=30)
status = {each.id: each for each in made.list()}
made.stop()
tell(crashes=status["crashes"].signal, left=left, bystander=status["bystander"].run)
