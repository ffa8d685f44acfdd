"""Have a keeper hold PROCESSES, a list in JSON, for LINGER seconds beyond the end, and end in MANNER.

PROCESSES are arguments of child(). Tells its role and pids once all are ready. MANNER is "wait" (for ever), "return",
"_exit", "exec" (become this program anew, once), "fork" (wait beside a copy), "thread" (start in a thread that ends,
then wait) or "signals" (ignore and block signals, allow itself 100 descriptors, then start and wait).
"""
import json
import os
import resource
import signal
import sys
import threading
from contextlib import suppress

from common import child, said, tell, until

from processman import Config, Manager
from processman.errors import ProcessmanError

directory = os.environ["HOST_DIRECTORY"]
linger, processes, manner = float(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
made = Manager(Config(
    data_dir=os.path.join(directory, "data"), run_dir=os.path.join(directory, "run"), engine="keeper", linger=linger,
))
for each in processes:
    made.register(child(*each, stop_timeout="1s"))


def is_ready():
    with suppress(ProcessmanError):
        # who talks has pushed out that it is ready; what is there of earlier runs does not count
        return all(said(made, each[0], "ready") and made.logs(each[0])[-1].run == made.status(each[0]).run
                   or len(made.logs(each[0])) > 50 for each in processes)


if manner == "signals":
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2, signal.SIGCHLD})
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
if manner == "thread":
    thread = threading.Thread(target=made.start)
    thread.start()
    thread.join()
else:
    made.start()
until(is_ready)
tell(role=made.role, pids={status.id: status.pid for status in made.list()},
     lines={each[0]: [line.content for line in made.logs(each[0])] for each in processes})
if manner == "fork":
    copy = os.fork()
    if copy == 0:
        threading.Event().wait(600)
    tell(copy=copy)
if manner == "exec":
    os.execv(sys.executable, [sys.executable, *sys.argv[:3], "wait"])
if manner == "_exit":
    os._exit(1)
if manner != "return":
    threading.Event().wait(600)
