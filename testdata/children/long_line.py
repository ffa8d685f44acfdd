"""Write BYTES without a newline, TIMES over (default 1), tell stderr how long the slowest write took, "ready"."""
import os
import sys
import time

size = int(sys.argv[1])
times = int(sys.argv[2]) if len(sys.argv) > 2 else 1
slowest = 0.0
for _ in range(times):
    view = memoryview(b"x" * size)
    while view:
        begun = time.monotonic()
        view = view[os.write(1, view[:65536]):]
        slowest = max(slowest, time.monotonic() - begun)
print(f"slowest write {slowest:.6f}", file=sys.stderr, flush=True)
print("\nready", flush=True)
time.sleep(600)
