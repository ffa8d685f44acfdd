"""In a pid namespace of its own, give pids that have just become free to strangers, ROUNDS times over.

Tells how many were given, and how many strangers were hurt.

"member": the pid of a descendant that ended when asked to, while the leader is still waited for.
"leader": the pid of a leader that ended, while the rest of its tree is still waited for, and when all is gone.
"""
import os
import subprocess
import sys

from common import manager, said, shell, tell, until

what, rounds = sys.argv[1], int(sys.argv[2])
STRANGER = ["/bin/sleep", "600"]


def give(pid):
    """Start a stranger that gets *pid*, if that can be had; threads that begin meanwhile take numbers, too."""
    for _ in range(20):
        with open("/proc/sys/kernel/ns_last_pid", "w") as last:
            last.write(str(pid - 1))
        stranger = subprocess.Popen(STRANGER, start_new_session=True, env={})
        if stranger.pid == pid:
            return stranger
        stranger.kill()
        stranger.wait()
    return None


def over(stranger):
    """End a stranger; tell whether somebody else had done so before."""
    hurt = stranger.poll() is not None
    stranger.kill()
    stranger.wait()
    return hurt


TEXTS = {
    "member": "setsid sleep 600 & trap '' TERM; echo $! ready; while :; do sleep 600 & wait; done",
    "leader": "trap '' TERM; setsid sleep 600 & echo $! ready; sleep 0.05",
}


def strangers_of(id, leader, member):
    """End process *id*, and give its pids to strangers as early as that can be done."""
    if what == "member":
        made.stop_process(id, wait=False)
        until(lambda: not os.path.exists(f"/proc/{member}"))
        yield "member", give(member)
    else:
        made.wait_for(id, "stopping", timeout=10)
        yield "pinned", give(leader)
    made.wait_for(id, ("stopped", "failed"), timeout=20)
    yield "leader", give(leader)
    made.stop_process(id, timeout=10)
    made.restart_process(id, timeout=10)
    made.remove(id)


made = manager()
made.start()
given = {"member": 0, "pinned": 0, "leader": 0}
hurt = 0
for number in range(rounds):
    id = f"{what}{number}"
    made.register(shell(id, TEXTS[what], stop_timeout="300ms", max_retries=0))
    until(lambda id=id: said(made, id, "ready") and made.status(id).pid)  # the line may come first
    leader, member = made.status(id).pid, int(made.logs(id)[0].content.split()[0])
    strangers = list(strangers_of(id, leader, member))
    for kind, stranger in strangers:
        if stranger is not None:
            given[kind] += 1
            hurt += over(stranger)
made.stop()
tell(given=given, hurt=hurt)
