"""Print 1, 2, 3 and so on, LINES (default 1) at once every SECONDS (default 0.002)."""
import os
import sys
import time

lines = int(sys.argv[1]) if len(sys.argv) > 1 else 1
pause = float(sys.argv[2]) if len(sys.argv) > 2 else 0.002
end = time.monotonic() + 600
for first in range(1, 1 << 60, lines):
    os.write(1, b"".join(b"%d\n" % number for number in range(first, first + lines)))
    time.sleep(pause)
    if time.monotonic() > end:
        break
