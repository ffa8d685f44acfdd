"""Leave a daemon (double fork, setsid, chdir), print "daemon PID" and "ready", and end; with "stay" wait."""
import os
import sys
import time

reading, report = os.pipe()
middle = os.fork()
if middle == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir("/")
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
        os.write(report, str(os.getpid()).encode())
        os.close(report)
        time.sleep(600)
    os._exit(0)
os.waitpid(middle, 0)
print(f"daemon {os.read(reading, 20).decode()}\nready", flush=True)
if "stay" in sys.argv[1:]:
    time.sleep(600)
