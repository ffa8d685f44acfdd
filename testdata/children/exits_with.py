"""Print "ready" and exit with CODE, after SECONDS (default 0)."""
import os
import sys
import time

os.write(1, b"ready\n")
time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 0)
os._exit(int(sys.argv[1]))
