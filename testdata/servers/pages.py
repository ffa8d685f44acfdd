"""What the applications have in common: a few pages, and a header that says which process answers."""
import atexit
import logging
import multiprocessing
import os
import sys
import time
from pathlib import Path

from version import VERSION

logging.basicConfig(level=logging.INFO)

HERE = Path(__file__).parent
TOKEN = "a-token-of-enough-bytes"
WORKER = "X-Worker"
#: what every application configures
OPTIONS = {"data_dir": HERE / "pb_data", "owner": os.environ.get("OWNER", "inprocess")}


def fork():
    """Fork a copy that ends as programs do, with its exit functions."""
    pid = os.fork()
    if pid == 0:
        atexit._run_exitfuncs()
        os._exit(0)
    os.waitpid(pid, 0)


def pool():
    """Have workers of each kind do a little."""
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as workers:
            workers.map(abs, range(10))


def page(path):
    """Return what stands at *path*."""
    if path == "/hang":
        time.sleep(600)
    elif path == "/exec":
        os.execv(sys.executable, sys.orig_argv)
    elif path == "/fork":
        fork()
    elif path == "/pool":
        pool()
    return str(VERSION)
