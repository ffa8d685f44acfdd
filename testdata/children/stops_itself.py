"""Print "ready" and stop itself by SIGSTOP; on SIGTERM print "bye" and end; "plain" leaves SIGTERM alone."""
import os
import signal
import sys
import time


def leave(*_):
    os.write(1, b"bye\n")
    os._exit(0)


if "plain" not in sys.argv[1:]:
    signal.signal(signal.SIGTERM, leave)
os.write(1, b"ready\n")
os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(600)
