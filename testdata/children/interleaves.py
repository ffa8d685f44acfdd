"""Write N lines in turn to stdout and stderr, numbered together, then "ready" to both."""
import os
import sys
import time

for number in range(1, int(sys.argv[1]) + 1):
    os.write(1 + number % 2, b"line %d\n" % number)
os.write(1, b"ready\n")
os.write(2, b"ready\n")
time.sleep(600)
