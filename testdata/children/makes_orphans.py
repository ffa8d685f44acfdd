"""Leave COUNT orphans that end at once, each with a parent that ended before it, and print "ready"; then wait."""
import os
import sys
import time

for number in range(int(sys.argv[1])):
    reading, gone = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.close(gone)
        if os.fork() == 0:
            if number % 2:
                os.setsid()
            os.read(reading, 1)  # until the parent is gone and has been reaped
        os._exit(0)
    os.close(reading)
    os.waitpid(middle, 0)
    os.close(gone)
print("ready", flush=True)
time.sleep(600)
