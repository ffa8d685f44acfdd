"""Be the least important thread of all, then start and stop processes of every kind; tell how it went."""
import os
import time

from common import manager, said, shell, tell, until

made = manager(
    shell("waits", "echo ready; exec sleep 600"),
    shell("ignores", "trap '' TERM; echo ready; while :; do sleep 1; done", stop_timeout="500ms"),
    shell("slow", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done"),
)
os.nice(19)
made.start()
until(lambda: all(said(made, id, "ready") for id in made))  # which may be before we have got to say "running"
until(lambda: all(status.status != "starting" for status in made.list()))
running = {status.id: [status.status, status.run, status.last_error] for status in made.list()}
begun = time.monotonic()
made.stop()
tell(took=time.monotonic() - begun, running=running, ends={status.id: status.status for status in made.list()})
