"""Write into FILE "PID start", "PID beat" all the time, and 0.3 s after SIGTERM "PID farewell", then end.

With "stubborn" stay after the farewell, beside a child in a session of its own and a daemon; all ignore SIGTERM.
"""
import os
import signal
import sys
import time

file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
stubborn = "stubborn" in sys.argv[2:]
farewell = []


def write(word):
    os.write(file, f"{os.getpid()} {word} {time.monotonic():.3f}\n".encode())


def stay():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.close(file)
    time.sleep(600)
    os._exit(0)


signal.signal(signal.SIGTERM, lambda *_: farewell.append(time.monotonic()))
if stubborn:
    if os.fork() == 0:
        os.setsid()
        stay()
    middle = os.fork()
    if middle == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir("/")
            stay()
        os._exit(0)
    os.waitpid(middle, 0)
write("start")
for _ in range(30000):
    time.sleep(0.02)
    write("beat")
    if farewell and time.monotonic() > farewell[0] + 0.3:
        write("farewell")
        farewell.clear()
        if not stubborn:
            break
