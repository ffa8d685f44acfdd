"""Fork and exit for ever in the same group while the leader waits; "setsid" gives every hop its own session.

With "ignore" all hops ignore SIGTERM, which ends only the leader. Each hop writes its pid over the file HEARTBEAT
where one is given, so that a test sees whether the comet still flies.
"""
import os
import signal
import sys
import time

arguments = [argument for argument in sys.argv[1:] if argument not in ("setsid", "ignore")]
heartbeat = os.open(arguments[0], os.O_WRONLY | os.O_CREAT, 0o600) if arguments else None
reading, report = os.pipe()
end = time.monotonic() + 120
if os.fork() == 0:
    told = False
    if "ignore" in sys.argv[1:]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)
        if "setsid" in sys.argv[1:]:
            os.setsid()
        if heartbeat is not None:
            os.pwrite(heartbeat, b"%010d\n" % os.getpid(), 0)
        if not told:
            told = bool(os.write(report, b"."))
        time.sleep(0.0005)
    os._exit(0)
os.read(reading, 1)
print("ready", flush=True)
time.sleep(600)
