"""End on SIGTERM, but leave a child that ignores it; print "pid PID" and "ready"; with "exit" end at once."""
import os
import signal
import sys
import time

reading, report = os.pipe()
pid = os.fork()
if pid == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(report, b".")
    time.sleep(600)
    os._exit(0)
os.read(reading, 1)
print(f"pid {pid}\nready", flush=True)
if "exit" not in sys.argv[1:]:
    time.sleep(600)
