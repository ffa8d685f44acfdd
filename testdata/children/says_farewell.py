"""Write "start PID" into FILE, and on SIGTERM, after SECONDS, "farewell PID"; then exit 0.

With "talks" print all the time, before that farewell too: where nobody reads, the pipe is full and it waits.
"""
import os
import signal
import sys
import time

path, seconds, *manner = sys.argv[1:]
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))


def write(word):
    with open(path, "a") as file:
        file.write(f"{word} {os.getpid()}\n")


write("start")
print("ready", flush=True)
while not asked:
    if "talks" in manner:
        os.write(1, b"talk\n" * 1000)
    else:
        time.sleep(0.01)
os.write(1, b"last words\n" * (1000 if "talks" in manner else 1))
time.sleep(float(seconds))
write("farewell")
