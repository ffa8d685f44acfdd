"""Draw a progress bar of N steps (default 10) by carriage returns, end it with CR LF, print "ready".

With "stay" the bar ends only on SIGTERM, and the program with it.
"""
import os
import signal
import sys
import time

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 10
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM} if "stay" in sys.argv else ())
for step in range(1, steps + 1):
    os.write(1, b"\rstep %d of %d" % (step, steps))
if "stay" in sys.argv:
    signal.sigtimedwait({signal.SIGTERM}, 600)
os.write(1, b"\r\nready\n")
if "stay" not in sys.argv:
    time.sleep(600)
