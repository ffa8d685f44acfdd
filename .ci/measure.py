"""Measure the program that is starting, as coverage.py does for subprocesses; no child of a test, no example.

Coverage would measure whatever inherits its variable, and slow down the children, and handle their signals.
"""
import _thread
import os
import sys
import threading
from collections.abc import Callable

SETTINGS = os.environ.get("COVERAGE_OF_PROGRAMS")
APART = ("/testdata/", "/examples/", "/pip/")

start_new_thread = _thread.start_new_thread


def start_measured(function: Callable[..., None], args: tuple[object, ...]) -> int:
    """Start a thread that threading does not know, and measure it as those that it does."""
    def run() -> None:
        sys.settrace(threading.gettrace())
        function(*args)

    return start_new_thread(run, ())


if SETTINGS and not any(part in word for word in sys.orig_argv[1:3] for part in APART):
    try:
        import coverage
    except ImportError:
        pass  # it is being installed
    else:
        os.environ["COVERAGE_PROCESS_START"] = SETTINGS
        coverage.process_startup()
        del os.environ["COVERAGE_PROCESS_START"]
        _thread.start_new_thread = start_measured
