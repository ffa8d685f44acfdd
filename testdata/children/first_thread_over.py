"""Have a child in its own session whose first thread is over while another lives; print "pid PID" and "ready"."""
import ctypes
import os
import platform
import sys
import threading
import time

reading, report = os.pipe()
pid = os.fork()
if pid == 0:
    os.setsid()
    threading.Thread(target=time.sleep, args=(600,)).start()
    os.write(report, b".")
    exit_of_a_thread = {"x86_64": 60, "aarch64": 93}[platform.machine()]
    ctypes.CDLL(None).syscall(exit_of_a_thread, 0)
os.read(reading, 1)
while open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] != "Z":
    time.sleep(0.001)
print(f"pid {pid}\nready", flush=True)
if "exit" not in sys.argv[1:]:
    time.sleep(600)
