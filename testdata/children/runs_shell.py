"""Become a shell that runs TEXT: what it was born with is as no Python has changed it."""
import os
import signal
import sys

for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
    signal.signal(number, signal.SIG_DFL)
os.execv("/bin/sh", ["sh", "-c", sys.argv[1]])
