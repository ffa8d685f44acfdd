"""Run what is hard to end, tell its pids, and wait to be killed; CLAIM is held by one that ignores SIGTERM."""
import sys
import threading

from common import child, manager, said, tell, until

made = manager(
    child("claims", "claims.py", sys.argv[1], "ignore", "fork"),
    child("daemon", "daemonises.py", "stay"),
    child("session", "setsid_child.py"),
    child("asleep", "stops_itself.py", "plain"),
    child("crashes", "exits_with.py", 1, max_retries=-1),
)
made.start()
until(lambda: all(said(made, id, "ready") for id in made))
for id in ("claims", "daemon", "session", "asleep"):
    made.wait_for(id, "running", timeout=30)  # the line may come first
named = [made.logs(id)[0].content.split()[1] for id in ("daemon", "session")]
tell(pids=[status.pid for status in made.list() if status.id != "crashes"] + [int(pid) for pid in named])
threading.Event().wait(600)
