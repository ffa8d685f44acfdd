"""On SIGTERM print "stopping", take SECONDS, print "bye" and exit 0."""
import signal
import sys
import time


def leave(*_):
    print("stopping", flush=True)
    time.sleep(float(sys.argv[1]))
    print("bye", flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
time.sleep(600)
