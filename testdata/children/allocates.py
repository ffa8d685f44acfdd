"""Hold MEGABYTES of memory, then "ready"."""
import sys
import time

held = b"x" * (int(sys.argv[1]) * 1024 * 1024)
print("ready", flush=True)
time.sleep(600)
