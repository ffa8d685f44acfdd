"""Measure the program that is starting, as coverage.py does for subprocesses; no child of a test, no example.

Coverage would measure whatever inherits its variable, and slow down the children, and handle their signals.
"""
import os
import sys

SETTINGS = os.environ.get("COVERAGE_OF_PROGRAMS")
APART = ("/testdata/", "/examples/", "/pip/")

if SETTINGS and not any(part in word for word in sys.orig_argv[1:3] for part in APART):
    try:
        import coverage
    except ImportError:
        pass  # it is being installed
    else:
        os.environ["COVERAGE_PROCESS_START"] = SETTINGS
        coverage.process_startup()
        del os.environ["COVERAGE_PROCESS_START"]
