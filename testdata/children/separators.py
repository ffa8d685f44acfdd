"""Write lines that hold every separator but the newline, each between "a" and "b", then "ready"."""
import os
import time

SEPARATORS = ("\u2028", "\u2029", "\u0085", "\v", "\f", "\x1c", "\x1d", "\x1e", "\r")
for separator in SEPARATORS:
    os.write(1, f"a{separator}b\n".encode())
os.write(1, b"ready\n")
time.sleep(600)
