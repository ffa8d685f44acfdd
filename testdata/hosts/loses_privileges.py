"""Begin as root, start a child that becomes another user, become one oneself, and try to stop it.

Tells what survived; once that is gone, tells how it ended. With "remove" it is removed instead.
"""
import os
import sys

from common import child, manager, said, tell, until

from processman import StopFailed

made = manager(child("foreign", "changes_user.py", stop_timeout="200ms", max_retries=-1))
made.start()
until(lambda: said(made, "foreign", "ready") and made.status("foreign").pid)
pid = made.status("foreign").pid
os.setresuid(12345, 12345, 12345)


def outcome(call):
    try:
        call()
    except StopFailed as error:
        return str(error), list(error.survivors)
    return None


def facts():
    status = made.status("foreign")
    return {"status": status.status, "escaped": list(status.escaped), "pid": status.pid, "run": status.run}


raised = outcome(lambda: made.stop_process("foreign", timeout=20))
tell(child=pid, raised=raised, **facts())
remove = "remove" in sys.argv[1:]
again = outcome(lambda: made.remove("foreign") if remove else made.restart_process("foreign", timeout=20))
tell(raised=again, known="foreign" in made, **facts())
made.wait_for("foreign", lambda status: status.pid != pid, timeout=60)
tell(**facts())
os._exit(0)
