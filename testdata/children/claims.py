"""Claim FILE for as long as it lives; a second copy writes "doubled PID" into FILE.doubled.

What follows FILE: nothing waits, "ignore" also ignores SIGTERM, "crash" ends with code 1 after 20 ms, "fork" adds
a child that also claims, by holding the same lock.
"""
import fcntl
import os
import signal
import sys
import time

path, *manner = sys.argv[1:]
if "ignore" in manner:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
claim = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
try:
    fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    with open(path + ".doubled", "a") as doubled:
        doubled.write(f"doubled {os.getpid()}\n")
os.write(1, b"ready\n")
if "fork" in manner and os.fork() == 0:
    time.sleep(600)
if "crash" in manner:
    time.sleep(0.02)
    os._exit(1)
time.sleep(600)
