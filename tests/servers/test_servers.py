"""Real servers: whatever happens to the host, each sidecar runs once, goes on, and is asked to end at the end.

A row is a server, a column what happens to it. A short selection runs always, all of it with
``pytest -m servers``, which prints the table: seconds from one good answer of the API to the next while something
happens to the host, and seconds from the end of the host to that of everything it had started.
"""
from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from servers.harness import SIDECARS, SLACK, STOP, Host, Site, Table, serving, shown
from support import missing, until

PYTHON = sys.executable
# the program, for with -m it cannot begin itself anew
GUNICORN = f"{Path(PYTHON).with_name('gunicorn')} --bind 127.0.0.1:0 --timeout 5 --graceful-timeout 5"
UWSGI = f"{Path(PYTHON).with_name('uwsgi')} --http-socket 127.0.0.1:0 --die-on-term --need-app --master"
UVICORN = f"{PYTHON} -m uvicorn --port 0"


@dataclass(frozen=True)
class Server:
    """One way to serve, and what it is."""

    line: str
    #: processes that answer
    workers: int = 1
    #: seconds that sidecars outlive it
    linger: float = 3.0
    #: whether those who serve go on when the main process is killed, as far as they are told nothing
    orphans: bool = False
    #: what can happen to it, besides its end
    events: str = ""


class Result(NamedTuple):
    """What was measured."""

    #: seconds without the API
    gap: float
    #: seconds from the end of the host to that of the last process
    took: float


#: seconds without a sign of life, in which a process that is on all the time might have been away
SILENCE = 2.0
WORKERS = "kill-owner term-owner kill-all-workers"
SERVERS = {
    "gunicorn -w 4": Server(f"{GUNICORN} -w 4 shop:app", 4, events=f"hup usr2 timeout {WORKERS}"),
    "gunicorn -w 1": Server(f"{GUNICORN} -w 1 bare", events=f"hup usr2 timeout {WORKERS}"),
    "gunicorn gthread": Server(f"{GUNICORN} -w 2 -k gthread --threads 4 mysite.wsgi", 2,
                               events=f"hup usr2 {WORKERS}"),
    "gunicorn --preload": Server(f"{GUNICORN} -w 3 --preload shop:app", 3, events=f"hup usr2 timeout {WORKERS}"),
    "gunicorn --max-requests": Server(f"{GUNICORN} -w 2 --max-requests 20 bare", 2, events="recycle hup"),
    "gunicorn gevent": Server(f"{GUNICORN} -w 2 -k gevent bare", 2, events="hup usr2 kill-owner kill-all-workers"),
    "gunicorn, owner apart": Server(f"env OWNER=process {GUNICORN} -w 2 shop:app", 2,
                                    events="hup kill-owner kill-all-workers"),
    "flask run": Server(f"{PYTHON} -m flask --app shop run --port 0", linger=0, events="fork pool"),
    "flask run --debug": Server(f"{PYTHON} -m flask --app shop run --port 0 --debug", orphans=True, events="edits"),
    "runserver": Server(f"{PYTHON} manage.py runserver 127.0.0.1:0", orphans=True, events="edits"),
    "runserver --noreload": Server(f"{PYTHON} manage.py runserver --noreload 127.0.0.1:0", linger=0,
                                   events="fork pool"),
    "waitress": Server(f"{PYTHON} -m waitress --listen 127.0.0.1:0 bare:application", linger=0, events="fork pool"),
    "uWSGI -p 2": Server(f"{UWSGI} -p 2 --wsgi-file bare.py", 2,
                         events="uwsgi-reload kill-owner kill-all-workers"),
    "uWSGI --lazy-apps": Server(f"{UWSGI} -p 2 --lazy-apps --wsgi-file bare.py", 2,
                                events="uwsgi-reload kill-owner kill-all-workers"),
    "uvicorn, Django": Server(f"{UVICORN} mysite.asgi:application", linger=0),
    "uvicorn, a2wsgi": Server(f"{UVICORN} bridged:application", linger=0),
    "uvicorn --workers 2": Server(f"{UVICORN} --workers 2 mysite.asgi:application", 2, orphans=True,
                                  events=f"hup {WORKERS}"),
    "make_server": Server(f"{PYTHON} script.py alone", linger=0, events="fork pool"),
    "os.fork": Server(f"{PYTHON} script.py os.fork", 2, linger=0, orphans=True, events="fork"),
    "multiprocessing": Server(f"{PYTHON} script.py spawn", 2, orphans=True),
    "multiprocessing, fork": Server(f"{PYTHON} script.py fork", 2, orphans=True),
}  # fmt: skip


#: what of a command line needs which package
PACKAGES = {
    "gunicorn": ["gunicorn"], "gevent": ["gevent"], "uvicorn": ["uvicorn"], "waitress": ["waitress"],
    "a2wsgi": ["bridged"], "flask": ["shop"], "django": ["mysite", "manage.py"],
}  # fmt: skip


# -- what happens --------------------------------------------------------------------
def hup(host: Host, workers: int) -> None:
    """Deploy: all workers are replaced, by the same main process."""
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


def uwsgi_reload(host: Host, workers: int) -> None:
    """Deploy: uWSGI replaces itself by exec, and then its workers."""
    replaced(host, workers, lambda: host.signal(signal.SIGHUP))


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
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            if host.version() == str(version):
                return True
        return False

    host.until(seen, 30)


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


EVENTS = {name.replace("_", "-"): globals()[name] for name in (
    "hup", "usr2", "uwsgi_reload", "timeout", "recycle", "kill_owner", "term_owner", "kill_all_workers", "edits",
    "fork", "pool",
)}  # fmt: skip
ENDS: dict[str, Callable[[Host], None]] = {
    "TERM": lambda host: host.signal(signal.SIGTERM),
    "INT-group": lambda host: host.signal_group(signal.SIGINT),
    "KILL": lambda host: host.signal(signal.SIGKILL),
    "TERM-all": lambda host: host.signal_all(signal.SIGTERM),
    "KILL-group": lambda host: host.signal_group(signal.SIGKILL),
}


# -- what is promised ------------------------------------------------------------------
def check_all_along(host: Host) -> None:
    """See that both sidecars were one process each from the first answer on, and that the API was there."""
    assert {answer.status for answer in host.answers} <= {0, 200, 503}, host.printed()
    pids = {(id, pid, 0) for id in SIDECARS for pid in host.site.beats(id).times}
    assert shown(host.answers) == pids, host.printed()
    assert len(pids) == len(SIDECARS)
    assert host.unavailable() <= 1, host.printed()


def check_end(host: Host) -> None:
    """See that each sidecar was one process, the same one all the time, and was asked to end."""
    assert {count for _, _, count in shown(host.answers)} == {0}
    for id in SIDECARS:
        beats = host.site.beats(id)
        assert beats.farewells == set(beats.times), (id, host.printed())
        assert (beats.copies, len(beats.times)) == (1, 1)
        assert beats.silence < SILENCE


def end(host: Host, server: Server, name: str) -> float:
    """End *host*; return the seconds from its end to that of everything that it had started."""
    with host.sampled():
        ENDS[name](host)
        until(host.is_over, 20, f"the end of {host.main}: {host.printed()}")
        if server.orphans and name == "KILL":
            host.ask_every(server.workers)
            check_all_along(host)
            ENDS["KILL-group"](host)
        until(lambda: not host.members(), 20, f"the end of {host.members()}: {host.printed()}")
    began = time.monotonic()
    until(lambda: not host.site.left(), server.linger + STOP + SLACK,
          f"the end of {host.site.left()}: {host.printed()}")  # fmt: skip
    return time.monotonic() - began


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site.make(tmp_path)
    yield made
    made.clean()


def line(server: Server) -> list[str]:
    """Return what starts *server*, where its packages are there."""
    words = server.line.split()
    used = {name for name, marks in PACKAGES.items() if any(mark in server.line for mark in marks)}
    for package in used:
        if find_spec(package) is None:
            missing(f"{package} is not installed")
    if not shutil.which(words[0]):
        pytest.skip(f"{words[0]} is not installed: it has to be compiled")
    return words


def run(site: Site, server: Server, events: Sequence[str], ending: str) -> Result:
    with serving(site, line(server)) as host:
        host.wait_until_running()
        host.ask_every(server.workers)
        for event in events:
            with host.sampled():
                EVENTS[event](host, server.workers)
                host.ask_every(server.workers)
        check_all_along(host)
        gap = host.gap()
        took = end(host, server, ending)
        check_end(host)
    return Result(gap, took)


@pytest.mark.parametrize(("name", "events", "ending"), [
    ("gunicorn -w 4", "hup kill-owner", "TERM"),
    ("gunicorn --preload", "hup", "KILL-group"),
    ("flask run --debug", "edits", "INT-group"),
    ("runserver", "edits", "TERM"),
])  # fmt: skip
def test_a_selection(site: Site, name: str, events: str, ending: str) -> None:
    """H-multiworker, P1, P3, P4, P5"""
    run(site, SERVERS[name], events.split(), ending)


@pytest.mark.servers
@pytest.mark.parametrize(
    ("name", "event"), [(name, event) for name, server in SERVERS.items() for event in server.events.split()]
)
def test_sidecars_go_on(site: Site, table: Table, name: str, event: str) -> None:
    """H-multiworker, H-two-managers, P1, P3, P5, P7, P16"""
    result = run(site, SERVERS[name], [event], "TERM")
    table.add(name, event, f"{result.gap:.2f} s")


@pytest.mark.servers
@pytest.mark.parametrize("ending", ENDS)
@pytest.mark.parametrize("name", SERVERS)
def test_sidecars_end(site: Site, table: Table, name: str, ending: str) -> None:
    """H-exit-paths, H-kill9, P1, P4, P5, P8, P9, P10"""
    result = run(site, SERVERS[name], [], ending)
    table.add(name, ending, f"{result.took:.1f} s")


@pytest.mark.servers
@pytest.mark.parametrize("name", ["gunicorn -w 1", "gunicorn gevent", "uWSGI -p 2", "uvicorn --workers 2"])
def test_the_next_host_finds_them_running(site: Site, name: str) -> None:
    """P15"""
    server = SERVERS[name]
    for ending in ("TERM", "KILL-group", "TERM"):
        with serving(site, line(server)) as host:
            host.wait_until_running()
            host.ask_every(server.workers)  # what uWSGI is told before, it forgets
            check_all_along(host)
            ENDS[ending](host)
            host.until(lambda: not host.members())
    until(lambda: not site.left(), server.linger + STOP + SLACK, f"the end of {site.left()}")
    check_end(host)


@pytest.mark.servers
@pytest.mark.parametrize("name", ["flask run", "waitress", "uvicorn, a2wsgi"])
def test_the_next_host_waits_for_their_end(site: Site, name: str) -> None:
    """P15"""
    for _ in range(3):
        with serving(site, line(SERVERS[name])) as host:
            host.wait_until_running()
            host.signal(signal.SIGTERM)
            host.until(host.is_over)
    until(lambda: not site.left(), STOP + SLACK, f"the end of {site.left()}")
    for id in SIDECARS:
        beats = site.beats(id)
        assert (beats.copies, len(beats.times)) == (1, 3)
        assert beats.farewells == set(beats.times)


@pytest.mark.servers
@pytest.mark.parametrize("name", ["gunicorn -w 4", "gunicorn gthread"])
def test_a_thousand_requests_while_owners_are_killed(site: Site, table: Table, name: str) -> None:
    """H-kill9, P3: no answer at all is what a killed worker gives to whom it was just answering."""
    server = SERVERS[name]
    with serving(site, line(server)) as host:
        host.wait_until_running()
        with host.sampled():
            while len(host.answers) < 1000:
                before, deadline = until(site.owner), time.monotonic() + 1
                os.kill(before, signal.SIGKILL)
                host.until(lambda: time.monotonic() > deadline and site.owner() not in (None, before))  # noqa: B023
        host.ask_every(server.workers)
        check_all_along(host)
        statuses = Counter(answer.status for answer in host.answers)
        assert statuses[0] + statuses[503] < 100
        counted = " ".join(f"{statuses[each]}" for each in (200, 503, 0))
        table.add(name, "1000 requests", f"{counted}, {host.unavailable():.2f} s")
