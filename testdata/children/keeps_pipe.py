"""Leave a grandchild that keeps the pipe, print "pid PID" and "ready", and end; "setsid": in its own session."""
import os
import sys
import time

pid = os.fork()
if pid == 0:
    if "setsid" in sys.argv[1:]:
        os.setsid()
    time.sleep(600)
    os._exit(0)
os.write(1, b"pid %d\nready\n" % pid)
os._exit(0)
