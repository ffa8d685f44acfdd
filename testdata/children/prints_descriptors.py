"""Print "FD TARGET" for every open descriptor, its session and group, what stdin holds, then "ready"."""
import os
import sys
import time

for number in sorted(int(name) for name in os.listdir("/proc/self/fd")):
    try:
        print(number, os.readlink(f"/proc/self/fd/{number}"))
    except FileNotFoundError:
        pass
print(f"leads session {os.getsid(0) == os.getpid()}, leads group {os.getpgid(0) == os.getpid()}")
print(f"stdin {sys.stdin.read()!r}")
print("ready", flush=True)
time.sleep(600)
