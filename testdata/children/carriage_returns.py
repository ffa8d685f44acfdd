"""Draw a progress bar of N steps (default 10) by carriage returns, end it with CR LF, print "ready"."""
import os
import sys
import time

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 10
for step in range(1, steps + 1):
    os.write(1, b"\rstep %d of %d" % (step, steps))
os.write(1, b"\r\nready\n")
time.sleep(600)
