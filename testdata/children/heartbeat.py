"""Append its pid to FILE every SECONDS (default 0.02), whatever else happens to it."""
import os
import sys
import time

pause = float(sys.argv[2]) if len(sys.argv) > 2 else 0.02
file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(file, b"%d\n" % os.getpid())
os.write(1, b"ready\n")
for _ in range(int(600 / pause)):
    time.sleep(pause)
    os.write(file, b"%d\n" % os.getpid())
