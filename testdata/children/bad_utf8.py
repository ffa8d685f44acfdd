"""Write one line for each way in which bytes are not UTF-8, then "ready"."""
import os
import time

LINES = (
    b"lone \xff byte",
    b"nul \x00 byte",
    b"surrogate \xed\xa0\x80 alone",
    b"overlong \xc0\xaf slash",
    b"cut \xe2\x82",
    b"beyond \xf4\x90\x80\x80 the end",
)
os.write(1, b"\n".join(LINES) + b"\nready\n")
time.sleep(600)
