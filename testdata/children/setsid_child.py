"""Start a child in its own session, print "pid PID" and "ready", and wait; with "exit" leave it behind."""
import os
import sys
import time

reading, report = os.pipe()
pid = os.fork()
if pid == 0:
    os.setsid()
    os.write(report, b".")
    time.sleep(600)
    os._exit(0)
os.read(reading, 1)
print(f"pid {pid}\nready", flush=True)
if "exit" not in sys.argv[1:]:
    time.sleep(600)
