"""Ignore SIGCHLD, so that the system reaps the children; tell how each of some runs ended."""
import signal

from common import child, manager, tell

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
with manager(
    child("exits", "exits_with.py", 3, max_retries=2),
    child("succeeds", "exits_with.py", 0, max_retries=2, restart="on-failure"),
    child("dies", "dies_of.py", "SIGKILL", max_retries=2),
    child("waits", "waits.py"),
) as made:
    for id in ("exits", "succeeds", "dies"):
        status = made.wait_for(id, "failed", timeout=30)
        tell(id=id, code=status.exit_code, signal=status.signal, run=status.run, error=status.last_error)
    made.wait_for("waits", "running", timeout=30)
    made.stop_process("waits", timeout=30)
    tell(id="waits", status=made.status("waits").status)
