"""Write "grüße 漢字 🎉" one byte at a time, newline at the end, then "ready"."""
import os
import time

for byte in "grüße 漢字 🎉\n".encode():
    os.write(1, bytes((byte,)))
    time.sleep(0.002)
os.write(1, b"ready\n")
time.sleep(600)
