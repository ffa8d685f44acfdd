"""Print the name of every signal as it comes; end on the second SIGTERM, or on the first with "once"."""
import os
import signal
import sys

names = {number: signal.Signals(number).name for number in (1, 2, 3, 10, 12, 15, 18)}
signal.pthread_sigmask(signal.SIG_BLOCK, names)
os.write(1, b"ready\n")  # at once: several share a pipe
left = 1 if "once" in sys.argv[1:] else 2
while left:
    number = signal.sigtimedwait(names, 600).si_signo
    os.write(1, names[number].encode() + b"\n")
    left -= number == signal.SIGTERM
