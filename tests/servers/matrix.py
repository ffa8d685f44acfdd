"""The servers, what can happen to them, and how they are ended: the rows and the columns."""
from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
from servers.harness import Host
from support import missing, until

PYTHON = sys.executable
# the program, for with -m it cannot begin itself anew
GUNICORN = f"{Path(PYTHON).with_name('gunicorn')} --bind 127.0.0.1:0 --timeout 8 --graceful-timeout 5"
UWSGI = " ".join((str(Path(PYTHON).with_name("uwsgi")), "--home", sys.prefix, "--http-socket 127.0.0.1:0",
                  "--die-on-term --need-app --master"))
UVICORN = f"{PYTHON} -m uvicorn --port 0"


@dataclass(frozen=True)
class Server:
    """One way to serve, and what it is."""

    line: str
    #: processes that answer
    workers: int = 1
    #: whether those who serve go on when the main process is killed, as far as they are told nothing
    orphans: bool = False
    #: what can happen to it, besides its end
    events: tuple[str, ...] = ()


DEPLOYS = ("HUP", "USR2, TERM")
DEATHS = ("leader killed", "leader told to end", "all workers killed")
KILLS = ("leader killed", "all workers killed")
FORKS = ("fork", "multiprocessing")
EDITS = ("3 edits",)
SERVERS = {
    "gunicorn -w 4": Server(f"{GUNICORN} -w 4 shop:app", 4, events=(*DEPLOYS, *DEATHS, "worker hangs")),
    "gunicorn -w 1": Server(f"{GUNICORN} -w 1 bare", events=(*DEPLOYS, *DEATHS, "worker hangs")),
    "gunicorn gthread": Server(f"{GUNICORN} -w 2 -k gthread --threads 4 mysite.wsgi", 2,
                               events=(*DEPLOYS, *DEATHS)),
    "gunicorn --preload": Server(f"{GUNICORN} -w 3 --preload shop:app", 3,
                                 events=(*DEPLOYS, *DEATHS, "worker hangs")),
    "gunicorn --max-requests": Server(f"{GUNICORN} -w 2 --max-requests 20 bare", 2, events=("HUP", "recycling")),
    "gunicorn gevent": Server(f"{GUNICORN} -w 2 -k gevent bare", 2, events=(*DEPLOYS, *KILLS)),
    "gunicorn, `owner=\"process\"`": Server(f"env OWNER=process {GUNICORN} -w 2 shop:app", 2,
                                         events=("HUP", *KILLS)),
    "uWSGI prefork": Server(f"{UWSGI} -p 2 --wsgi-file bare.py", 2, events=("HUP", *KILLS)),
    "uWSGI --lazy-apps": Server(f"{UWSGI} -p 2 --lazy-apps --wsgi-file bare.py", 2, events=("HUP", *KILLS)),
    "uvicorn --workers 2, Django": Server(f"{UVICORN} --workers 2 mysite.asgi:application", 2, orphans=True,
                                          events=("HUP", *DEATHS)),
    "uvicorn, Django": Server(f"{UVICORN} mysite.asgi:application"),
    "uvicorn, a2wsgi": Server(f"{UVICORN} bridged:application"),
    "waitress": Server(f"{PYTHON} -m waitress --listen 127.0.0.1:0 bare:application", events=FORKS),
    "werkzeug make_server": Server(f"{PYTHON} script.py alone", events=FORKS),
    "flask run": Server(f"{PYTHON} -m flask --app shop run --port 0", events=FORKS),
    "flask run --debug": Server(f"{PYTHON} -m flask --app shop run --port 0 --debug", orphans=True, events=EDITS),
    "runserver": Server(f"{PYTHON} manage.py runserver 127.0.0.1:0", orphans=True, events=EDITS),
    "runserver --noreload": Server(f"{PYTHON} manage.py runserver --noreload 127.0.0.1:0", events=FORKS),
    "script with os.fork": Server(f"{PYTHON} script.py os.fork", 2, orphans=True, events=("fork",)),
    "script with multiprocessing, spawn": Server(f"{PYTHON} script.py spawn", 2, orphans=True),
    "script with multiprocessing, fork": Server(f"{PYTHON} script.py fork", 2, orphans=True),
}  # fmt: skip
#: what of a command line needs which package
PACKAGES = {
    "gunicorn": ["gunicorn"], "gevent": ["gevent"], "uvicorn": ["uvicorn"], "waitress": ["waitress"],
    "a2wsgi": ["bridged"], "flask": ["shop"], "django": ["mysite", "manage.py"],
}  # fmt: skip


# -- what happens --------------------------------------------------------------------
def hup(host: Host, workers: int) -> None:
    """Deploy: all workers are replaced, by the same main process; by exec that of uWSGI is, too."""
    replaced(host, workers, lambda: host.signal(signal.SIGHUP))


def usr2(host: Host, workers: int) -> None:
    """Deploy: another main process begins beside the first, which is ended then."""
    def upgrade() -> None:
        former, before = host.main, {each.pid for each in host.members()}
        host.signal(signal.SIGUSR2)
        new = host.until(lambda: [each.pid for each in host.members()
                                  if each.pid not in before and each.ppid() == former and each.children()])
        host.ask_every(2 * workers)
        host.signal(signal.SIGTERM)
        host.process.wait(20)
        host.main = new[0]

    replaced(host, workers, upgrade)


def timeout(host: Host, workers: int) -> None:
    """A worker hangs until its master kills it."""
    thread = threading.Thread(target=host.ask, args=("/hang", 30))
    before = host.ask_every(workers)
    thread.start()
    host.until(lambda: not all(map(psutil.pid_exists, before)), 20)
    thread.join()


def recycle(host: Host, workers: int) -> None:
    """Workers end by themselves after so many requests, and others begin."""
    seen = {answer.worker for answer in host.answers}
    host.until(lambda: len({answer.worker for answer in host.answers} - seen) > 6, 60)


def kill_owner(host: Host, workers: int) -> None:
    """Who leads is killed: a worker, or a process apart."""
    end_owner(host, signal.SIGKILL)


def term_owner(host: Host, workers: int) -> None:
    """The worker that leads is told to end."""
    end_owner(host, signal.SIGTERM)


def kill_all_workers(host: Host, workers: int) -> None:
    """All workers are killed at once; the main process is not."""
    def kill() -> None:
        for pid in before:
            os.kill(pid, signal.SIGKILL)

    before = host.ask_every(workers)
    replaced(host, workers, kill)


def edits(host: Host, workers: int) -> None:
    """The code is changed three times, under a reloader."""
    for version in (1, 2, 3):
        edit(host, version)


def edit(host: Host, version: int) -> None:
    """Edit until it is seen: a reloader does not notice what changes before its first look."""
    def seen() -> bool:
        host.site.edit(version)
        deadline = time.monotonic() + 12
        while time.monotonic() < deadline:
            if host.version() == str(version):
                return True
            threading.Event().wait(0.05)
        return False

    host.until(seen, 60)


def fork(host: Host, workers: int) -> None:
    """A request forks the host, and the copy ends by itself."""
    assert host.ask("/fork").status == 200


def pool(host: Host, workers: int) -> None:
    """A request has processes of multiprocessing work."""
    assert host.ask("/pool", 30).status == 200


def replaced(host: Host, workers: int, action: Callable[[], None]) -> None:
    """Do *action*, and see all workers replaced."""
    before = host.ask_every(workers)
    action()
    host.until(lambda: not any(map(psutil.pid_exists, before)), 30)


def end_owner(host: Host, number: signal.Signals) -> None:
    owner = until(host.site.owner)
    os.kill(owner, number)
    host.until(lambda: not psutil.pid_exists(owner), 20)
    host.until(lambda: host.site.owner() not in (None, owner), 20)


EVENTS = {
    "HUP": hup, "USR2, TERM": usr2, "worker hangs": timeout, "recycling": recycle, "leader killed": kill_owner,
    "leader told to end": term_owner, "all workers killed": kill_all_workers, "3 edits": edits, "fork": fork,
    "multiprocessing": pool,
}  # fmt: skip
ENDS: dict[str, Callable[[Host], None]] = {
    "TERM": lambda host: host.signal(signal.SIGTERM),
    "Ctrl-C": lambda host: host.signal_group(signal.SIGINT),
    "KILL": lambda host: host.signal(signal.SIGKILL),
    "KILL to all": lambda host: host.signal_group(signal.SIGKILL),
    "TERM to all": lambda host: host.signal_all(signal.SIGTERM),
}


def line(server: Server) -> list[str]:
    """Return what starts *server*, where its packages are there."""
    words = server.line.split()
    used = {name for name, marks in PACKAGES.items() if any(mark in server.line for mark in marks)}
    for package in used:
        if find_spec(package) is None:
            missing(f"{package} is not installed")
    if not shutil.which(words[0]):
        missing(f"{words[0]} is not installed")
    return words
