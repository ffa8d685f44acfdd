"""Turn the wall clock by SECONDS, or to the epoch time "=SECONDS", in every state; tell what came of it.

The clock is turned for this program alone: before anything else is imported, ``time.time`` and ``datetime.now`` are
given another one.
"""
import datetime as datetime_module
import os
import signal
import sys
import time

real = time.time
turned = 0.0
time.time = lambda: real() + turned


class Datetime(datetime_module.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)


datetime_module.datetime = Datetime

from common import child, manager, said, shell, tell, until  # noqa: E402

by = sys.argv[1]


def turn():
    global turned
    turned = float(by[1:]) - real() if by.startswith("=") else float(by)


def turn_back():
    global turned
    turned = 0.0


def facts(status):
    started = status.start_time
    return {"status": status.status, "run": status.run, "uptime": status.uptime,
            "started": started and started.timestamp() - real(), "now": turned}


made = manager(
    shell("runs", "echo ready; exec sleep 600", backoff="400ms", max_retries=-1),
    child("ignores", "ignores_term.py", stop_timeout="700ms"),
)
with made:
    until(lambda: said(made, "runs", "ready") and said(made, "ignores", "ready"))
    turn()
    tell(when="running", **facts(made.status("runs")))
    turn_back()
    # waiting for its retry
    begun = time.monotonic()
    os.kill(made.status("runs").pid, signal.SIGKILL)
    made.wait_for("runs", "crashed", timeout=30)
    turn()
    made.wait_for("runs", "running", timeout=30)
    tell(when="crashed", took=time.monotonic() - begun, **facts(made.status("runs")))
    turn_back()
    # being stopped
    begun = time.monotonic()
    made.stop_process("ignores", wait=False)
    made.wait_for("ignores", "stopping", timeout=30)
    turn()
    status = made.wait_for("ignores", "stopped", timeout=30)
    tell(when="stopping", took=time.monotonic() - begun, signal=status.signal, **facts(status))
    # spawned after the turn
    made.restart_process("runs", timeout=30)
    tell(when="restarted", **facts(made.status("runs")))
    turn_back()
    tell(when="back", **facts(made.status("runs")))
