"""Print "tick N" every SECONDS (default 0.1)."""
import sys
import time

pause = float(sys.argv[1]) if len(sys.argv) > 1 else 0.1
print("ready", flush=True)
for count in range(1, int(600 / max(pause, 0.001))):
    print(f"tick {count}", flush=True)
    time.sleep(pause)
