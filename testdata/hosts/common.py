"""What every host here needs: a manager on DIRECTORY, a child configured, a line of JSON printed."""
import json
import os
import sys
import threading
import time

from processman import Config, Manager, ProcessConfig

CHILDREN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "children")


def manager(*processes):
    made = Manager(Config(data_dir=os.environ["HOST_DIRECTORY"]))
    for process in processes:
        made.register(process)
    return made


def child(id, script, *args, **more):
    options = {"cwd": CHILDREN, "interpreter": sys.executable, "backoff": "1ms", **more}
    return ProcessConfig(id=id, script=os.path.join(CHILDREN, script), args=[str(arg) for arg in args], **options)


def shell(id, text, **more):
    return ProcessConfig(id=id, command="/bin/sh", args=["-c", text], cwd="/", **{"backoff": "1ms", **more})


def tell(**facts):
    print(json.dumps(facts), flush=True)


def until(condition, timeout=60):
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("waited in vain")
        threading.Event().wait(0.005)


def said(made, id, text):
    return any(text in line.content for line in made.logs(id, lines=1000))


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def resources():
    """The numbers of descriptors and threads, the look itself not counted."""
    return len(os.listdir("/proc/self/fd")) - 1, len(os.listdir("/proc/self/task"))


def are_given_back(before):
    """Whether there are no more than *before*; there may be less, for a thread that had ended was still counted."""
    return all(now <= then for now, then in zip(resources(), before))
