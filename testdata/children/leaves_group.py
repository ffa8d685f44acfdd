"""Have a child that answers SIGTERM by leaving for a session of its own, for good; print "pid PID" and "ready"."""
import os
import signal
import time

reading, report = os.pipe()
pid = os.fork()
if pid == 0:
    signal.signal(signal.SIGTERM, lambda *_: os.setsid())
    os.write(report, b".")
    for _ in range(600):
        time.sleep(1)
    os._exit(0)
os.read(reading, 1)
print(f"pid {pid}\nready", flush=True)
time.sleep(600)
