"""Write FILE anew every SECONDS (default 0.1)."""
import sys
import time

pause = float(sys.argv[2]) if len(sys.argv) > 2 else 0.1
for count in range(int(600 / pause)):
    with open(sys.argv[1], "w") as file:
        file.write(f"{count}\n")
    if count == 0:
        print("ready", flush=True)
    time.sleep(pause)
