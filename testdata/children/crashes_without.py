"""Wait while FILE exists at the start, else exit with code 1."""
import os
import sys
import time

if not os.path.exists(sys.argv[1]):
    print(f"missing {sys.argv[1]}", file=sys.stderr, flush=True)
    sys.exit(1)
print("ready", flush=True)
time.sleep(600)
