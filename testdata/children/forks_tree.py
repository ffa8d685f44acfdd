"""Make 50 descendants of five kinds, print "KIND PID" for each, then "ready".

20 plain children, a chain of 10, 10 that ignore SIGTERM, 5 in sessions of their own, 5 daemonised
(double fork and setsid). With "exit" the leader ends after that, with "ignore" it ignores SIGTERM itself.
"""
import os
import signal
import sys
import time


def settle(kind, report):
    os.write(report, f"{kind} {os.getpid()}\n".encode())
    time.sleep(600)
    os._exit(0)


def plain(report):
    if os.fork() == 0:
        settle("plain", report)


def chain(report, length):
    if os.fork() == 0:
        if length > 1:
            chain(report, length - 1)
        settle("chain", report)


def ignoring(report):
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        settle("ignoring", report)


def session(report):
    if os.fork() == 0:
        os.setsid()
        settle("setsid", report)


def daemon(report):
    middle = os.fork()
    if middle == 0:
        os.setsid()
        if os.fork() == 0:
            settle("daemon", report)
        os._exit(0)
    os.waitpid(middle, 0)


def main():
    reading, report = os.pipe()
    for make, count in ((plain, 20), (ignoring, 10), (session, 5), (daemon, 5)):
        for _ in range(count):
            make(report)
    chain(report, 10)
    if "ignore" in sys.argv[1:]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.close(report)
    with open(reading) as reports:
        for line in (next(reports) for _ in range(50)):
            print(line, end="")
    print("ready", flush=True)
    if "exit" not in sys.argv[1:]:
        time.sleep(600)


main()
