"""Reap any child in a thread, as some hosts do; tell how ROUNDS runs of every kind ended, and how many it took."""
import os
import sys
import threading

from common import child, manager, tell

rounds = int(sys.argv[1])
taken = 0


def reap():
    global taken
    while True:
        try:
            os.waitpid(-1, 0)
            taken += 1
        except ChildProcessError:
            threading.Event().wait(0.001)


threading.Thread(target=reap, daemon=True).start()
kinds = {"exits": ("exits_with.py", 3), "dies": ("dies_of.py", "SIGTERM"), "succeeds": ("exits_with.py", 0)}
ends = {id: set() for id in kinds}
with manager(*(child(id, *what, autostart=False, max_retries=0) for id, what in kinds.items())) as made:
    for _ in range(rounds):
        for id in kinds:
            made.start_process(id)
        for id in kinds:
            status = made.wait_for(id, "failed", timeout=30)
            ends[id].add((status.exit_code, status.signal))
    tell(runs={status.id: status.run for status in made.list()}, ends={id: sorted(seen, key=str) for id, seen in ends.items()})
    made.register(child("retried", "exits_with.py", 0, max_retries=2))
    tell(retried=made.wait_for("retried", "failed", timeout=30).run, taken=taken)
