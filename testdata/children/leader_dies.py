"""Start three children in the same group, print "pid PID" for each and "ready", then die of SIGKILL."""
import os
import signal
import time

for _ in range(3):
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
        os._exit(0)
    print(f"pid {pid}", flush=True)
print("ready", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
