"""Print the environment it was given, then a heartbeat, until SIGTERM."""
import os
import signal
import sys
import time


def leave(*_):
    print("Received SIGTERM, shutting down", flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, leave)
print(f"Simple script started, pid {os.getpid()}", flush=True)
print(f"arguments: {' '.join(sys.argv[1:])}", flush=True)
for name in ("PB_PORT", "PB_DATA_DIR", "TEST_VAR"):
    print(f"{name}={os.environ.get(name, '')}", flush=True)
print("this line goes to stderr", file=sys.stderr, flush=True)
print("ready", flush=True)
for count in range(1, 6000):
    time.sleep(0.1)
    print(f"heartbeat {count}", flush=True)
