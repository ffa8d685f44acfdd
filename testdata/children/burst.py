"""Print "ready", write BYTES to stdout as numbered 16-byte lines, and _exit at once; "none": no last newline."""
import os
import sys

size = int(sys.argv[1])
lines = size // 16
data = b"ready\n" + b"".join(b"%015d\n" % number for number in range(1, lines + 1))
if "none" in sys.argv[2:]:
    data = data[:-1]
view = memoryview(data)
while view:
    view = view[os.write(1, view):]
os._exit(0)
