"""Write N numbered lines at full speed, print "ready", then wait (or "exit"); without N never stop."""
import itertools
import os
import sys
import time

AT_ONCE = 1000


def write(first, last):
    data = memoryview("".join(f"line {n:09d}\n" for n in range(first, last + 1)).encode())
    while data:
        data = data[os.write(1, data):]


if len(sys.argv) > 1:
    lines = int(sys.argv[1])
    for first in range(1, lines + 1, AT_ONCE):
        write(first, min(first + AT_ONCE - 1, lines))
    print("ready", flush=True)
    if "exit" not in sys.argv[2:]:
        time.sleep(600)
else:
    print("ready", flush=True)
    for first in itertools.count(1, AT_ONCE):
        write(first, first + AT_ONCE - 1)
