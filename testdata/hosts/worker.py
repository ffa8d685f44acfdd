"""One of many workers: a Manager of data directory DIRECTORY, started; it answers each line, an expression, in JSON.

The first argument holds options: "linger", "config", more keywords of Config, and "processes", those of each ProcessConfig. In expressions
``m`` is the manager. What an expression raises is told by its class and attributes. Its end of input is sys.exit.
"""
import dataclasses
import gc  # noqa: F401 (for expressions)
import itertools  # noqa: F401 (for expressions)
import json
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time  # noqa: F401 (for expressions)

from processman import Config, Manager, ProcessConfig, Status, errors  # noqa: F401 (for expressions)

logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(process)d %(levelname)s %(name)s %(message)s")
logging.getLogger("processman.output").setLevel(logging.CRITICAL)
signal.signal(signal.SIGTERM, lambda *_: sys.exit())

options = json.loads(sys.argv[1])
m = Manager(Config(
    data_dir=os.environ["HOST_DIRECTORY"], config_file=options.get("file"), engine="keeper", linger=options["linger"],
    **options.get("config", {}),
))
heard = []
m.subscribe(lambda event: heard.append((event.process_id, event.kind)))
kept = {}


def register(**keys):
    """Register a process, as a method would."""
    m.register(ProcessConfig(**keys))


def fork(function, *, exits=sys.exit):
    """Call *function* in a forked copy, which ends with *exits*; return its answer or what it raised."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        answer = told(function)
        os.write(writing, json.dumps(answer, default=plain).encode())
        os.close(writing)
        exits()
    os.close(writing)
    with os.fdopen(reading) as file:
        answer = json.loads(file.read())
    os.waitpid(pid, 0)
    return answer


def hold(seconds):
    """Make a forked copy that does nothing for so long, and holds what a copy holds; return its pid."""
    pid = os.fork()
    if pid == 0:
        time.sleep(seconds)
        os._exit(0)
    return pid


def multiprocess():
    """Return what a copy that multiprocessing forks sees of the manager."""
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    copy = context.Process(target=lambda: queue.put([m.role, told(m.list)["raised"]]))
    copy.start()
    answer = queue.get()
    copy.join()
    queue.close()
    return answer


def hammer(*functions):
    """Call *functions* again and again, each in a thread, until :func:`hammered` is asked."""
    kept["hammering"] = threading.Event()
    kept["results"] = [{"works": 0, "raised": [], "longest": 0.0} for _ in functions]
    kept["threads"] = [threading.Thread(target=_hammer, args=pair) for pair in zip(functions, kept["results"])]
    for thread in kept["threads"]:
        thread.start()


def _hammer(function, result):
    failing = None
    while not kept["hammering"].is_set():
        answer, now = told(function), time.monotonic()
        if "done" in answer:
            result["works"] += 1
        else:
            result["raised"].append(answer["raised"])
        if answer.get("raised") == "ChangingHands":
            failing = failing or now
        elif failing:
            result["longest"], failing = max(result["longest"], now - failing), None
        time.sleep(0.005)


def hammered():
    """Return how often it worked, what was raised, and the longest time until it worked again."""
    kept["hammering"].set()
    for thread in kept["threads"]:
        thread.join()
    return kept["results"]


def spawn(function, name="answer"):
    """Begin *function* in a thread; ``kept[name]`` has its answer once it is there."""
    threading.Thread(target=lambda: kept.update({name: told(function)}), daemon=True).start()


def request(path, method="GET", auth=lambda environ: True, **more):
    """Ask the application of this manager; return status, headers and body."""
    from werkzeug.test import Client

    from processman.wsgi import create_app

    answer = Client(create_app(m, auth=auth)).open(path, method=method, **more)
    return answer.status_code, dict(answer.headers), answer.get_data(as_text=True)


def reader(environ):
    """Let everybody in to read."""
    from processman.wsgi import Identity

    return Identity("reader", "read")


def call_both(manager, first, second):
    """Call two functions, at the owner."""
    return [first(), second()]


def changing_hands():
    """Raise what a follower does whose owner has gone."""
    raise errors.ChangingHands("the lead is changing hands")


def plain(value):
    """Make of *value* what JSON can hold."""
    if dataclasses.is_dataclass(value):
        shown = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **shown}
    return dict(value) if hasattr(value, "keys") else list(value) if isinstance(value, (set, frozenset)) else str(value)


def told(function):
    """Return what *function* returned, or raised."""
    try:
        return {"done": function()}
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        return {"raised": kinds[0], "kinds": kinds, "message": str(error), **vars(error)}


for process in options["processes"]:
    register(**process)
m.start()
print(json.dumps({"done": os.getpid()}), flush=True)
for line in sys.stdin:
    print(json.dumps(told(lambda: eval(line)), default=plain), flush=True)  # noqa: B023, S307
