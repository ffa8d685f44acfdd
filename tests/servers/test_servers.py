"""Real servers: whatever happens to the host, each sidecar runs once, goes on, and is asked to end at the end.

A short selection runs always, all of it with ``pytest -m servers``, which prints tables: seconds from one good
answer of the API to the next while something happens to the host, and seconds from the end of the host to that of
everything it had started.
"""
from __future__ import annotations

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from servers.harness import SIDECARS, SLACK, STOP, Host, Site, serving, shown
from servers.matrix import EDITS, ENDS, EVENTS, KILLS, SERVERS, Server, line
from servers.tables import Table
from support import ROOT, require, require_root, until


class Result(NamedTuple):
    """What was measured."""

    #: seconds without the API
    gap: float
    #: seconds from the end of the host to that of the last process
    took: float


#: what the documentation gives containers
ENTRYPOINT = re.search(
    r"<!-- file: entrypoint -->\n```sh\n(.*?)```", (ROOT / "docs" / "embedding.md").read_text(), re.S
)[1]  # fmt: skip
#: seconds without a sign of life, in which a process that is on all the time might have been away
SILENCE = 2.0


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
            ENDS["KILL to all"](host)
        until(lambda: not host.members(), 20, f"the end of {host.members()}: {host.printed()}")
    began = time.monotonic()
    until(lambda: not host.site.left(), STOP + SLACK, f"the end of {host.site.left()}: {host.printed()}")
    return time.monotonic() - began


def check_turns(site: Site, count: int) -> None:
    """See that there were so many runs of each sidecar, one after the other, and each was asked to end."""
    for id in SIDECARS:
        beats = site.beats(id)
        assert (beats.copies, len(beats.times)) == (1, count)
        assert beats.farewells == set(beats.times)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site.make(tmp_path)
    yield made
    made.clean()


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
    ("gunicorn -w 4", ["HUP", *KILLS], "TERM"),
    ("gunicorn --preload", ["HUP"], "KILL to all"),
    ("flask run --debug", EDITS, "Ctrl-C"),
    ("runserver", EDITS, "TERM"),
    ("uWSGI prefork", ["HUP", "leader killed"], "Ctrl-C"),
])  # fmt: skip
def test_a_selection(site: Site, name: str, events: Sequence[str], ending: str) -> None:
    """H-multiworker, P1, P3, P4, P5"""
    run(site, SERVERS[name], events, ending)


@pytest.mark.servers
@pytest.mark.parametrize(
    ("name", "event"), [(name, event) for name, server in SERVERS.items() for event in server.events]
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
@pytest.mark.parametrize("name", [
    "gunicorn -w 1", "gunicorn gevent", "uWSGI prefork", "uvicorn --workers 2, Django", "flask run", "waitress",
    "uvicorn, a2wsgi",
])  # fmt: skip
def test_the_next_host_waits_for_their_end(site: Site, name: str) -> None:
    """P15"""
    server = SERVERS[name]
    for ending in ("TERM", "KILL to all", "TERM"):
        with serving(site, line(server)) as host:
            host.wait_until_running()
            host.ask_every(server.workers)  # what uWSGI is told before, it forgets
            ENDS[ending](host)
            host.until(lambda: not host.members())
    until(lambda: not site.left(), STOP + SLACK, f"the end of {site.left()}")
    check_turns(site, 3)


@pytest.mark.servers
@pytest.mark.parametrize(("name", "event"), [
    ("gunicorn -w 1", "HUP"), ("gunicorn -w 4", "all workers killed"), ("uWSGI prefork", "HUP"),
    ("uWSGI --lazy-apps", "HUP"), ("uvicorn --workers 2, Django", "all workers killed"), ("runserver", "3 edits"),
    ("flask run --debug", "3 edits"),
])  # fmt: skip
def test_sidecars_wait_for_applications_that_take_long_to_load(site: Site, name: str, event: str) -> None:
    """P3: more than most proxies wait, and less than a minute."""
    with (site.folder / "version.py").open("a") as file:
        file.write("import time\ntime.sleep(4)\n")
    run(site, SERVERS[name], [event], "TERM")


@pytest.mark.servers
def test_a_host_that_begins_itself_anew_waits_for_their_end(site: Site) -> None:
    """P15: by exec, so that its pid stays."""
    with serving(site, line(SERVERS["werkzeug make_server"])) as host:
        for _ in range(3):
            host.wait_until_running()
            host.ask("/exec")
        host.wait_until_running()
    until(lambda: not site.left(), STOP + SLACK, f"the end of {site.left()}")
    check_turns(site, 4)


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
        counted = ", ".join(f"{statuses[each]}" for each in (200, 503, 0))
        table.add(name, "200, 503, no answer; from 503 to 200", f"{counted}; {host.unavailable():.2f} s")


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[] if name == "gunicorn -w 1" else pytest.mark.servers) for name in SERVERS
])  # fmt: skip
def test_the_entrypoint_of_a_container_waits(site: Site, table: Table, name: str) -> None:
    """P4: else the end of the first process would be that of all others, unasked."""
    require_root()
    (site.folder / "entrypoint").write_text(ENTRYPOINT)
    namespace = f"{require('unshare')} --pid --fork --kill-child --mount-proc sh entrypoint"
    with serving(site, [*namespace.split(), *line(SERVERS[name])]) as host:
        host.wait_until_running()
        host.main = psutil.Process(host.main).children()[0].pid
        began = time.monotonic()
        host.signal(signal.SIGTERM)
        until(lambda: not site.left(), 20, f"the end of {site.left()}")
        took = time.monotonic() - began
    check_end(host)
    table.add(name, "in a container", f"{took:.1f} s")


def test_the_documentation_has_a_row_for_each_server() -> None:
    page = (ROOT / "docs" / "embedding.md").read_text()
    assert [name for name in SERVERS if f"\n| {name} |" not in page] == []
