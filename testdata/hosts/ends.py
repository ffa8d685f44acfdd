"""Run a child that waits, one that ignores SIGTERM and one with a child of its own, and end in MANNER.

MANNER is "return", "raise", "exit", "follow" (end while a thread follows a log), "wait" (for ever, to be interrupted),
"stop" (stop first), or "run" (Manager.run). Tells the pids once all are ready.
"""
import sys
import threading

from common import child, manager, said, tell, until

made = manager(
    child("waits", "waits.py"),
    child("ignores", "ignores_term.py", stop_timeout="200ms"),
    child("forks", "stubborn_grandchild.py", stop_timeout="200ms"),
)
manner = sys.argv[1]


def report():
    until(lambda: made.started and all(said(made, id, "ready") for id in made))
    grandchild = next(line.content for line in made.logs("forks") if line.content.startswith("pid "))
    tell(pids=[status.pid for status in made.list()] + [int(grandchild.split()[1])])


def follow():
    for _ in made.follow("waits"):
        pass


if manner == "run":
    threading.Thread(target=report, daemon=True).start()
    made.run()
else:
    made.start()
    report()
    if manner == "follow":
        threading.Thread(target=follow, daemon=True).start()
    elif manner == "raise":
        raise RuntimeError("the host's own")
    elif manner == "exit":
        sys.exit(3)
    elif manner == "wait":
        threading.Event().wait(600)
    elif manner == "stop":
        made.stop()
