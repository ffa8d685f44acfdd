"""Write N random bytes, always the same for one SEED (default 1), then a newline and "ready"."""
import os
import random
import sys
import time

seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
view = memoryview(random.Random(seed).randbytes(int(sys.argv[1])))
while view:
    view = view[os.write(1, view):]
print("\nready", flush=True)
time.sleep(600)
