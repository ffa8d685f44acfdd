"""The commands that ask a running manager."""
from __future__ import annotations

import json
import os
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ..bridge import printable
from ..client import Client, Process, Refused, Unreachable, find
from ..errors import ProcessmanError
from . import NOT_RUNNING, OK, UNREACHABLE, USAGE, Failure, complain, exit_code, token_in
from .output import colourful, line_of, note, print_json, row, table, terminal_width

_LOOK = 0.3
_SOON = 0.05
_UP = ("starting", "running")


def _client(arguments: Namespace) -> Client:
    if "client" in arguments:  # it runs inside an application
        client: Client = arguments.client
        return client
    if arguments.url is None:
        return find(arguments.dir)
    file = arguments.token_file
    if not (token := token_in(file) if file else os.environ.get("PROCESSMAN_TOKEN")):
        raise Failure("cannot ask without a token: give --token-file or set PROCESSMAN_TOKEN", UNREACHABLE)
    try:
        return Client(arguments.url, token)
    except ValueError as error:
        raise Failure(str(error), USAGE) from None


def ls(arguments: Namespace) -> int:
    """List the processes."""
    processes = _client(arguments).processes()
    _print(processes, arguments)
    return OK


def _print(processes: Sequence[Process], arguments: Namespace) -> None:
    if arguments.json:
        print_json(processes)
        return
    now = datetime.now(UTC)
    rows = [row(process, now) for process in processes]
    for line in table(rows, width=terminal_width(), coloured=colourful(sys.stdout)):
        print(line)


def show(arguments: Namespace) -> int:
    """Show one process."""
    process = _client(arguments).process(arguments.id)
    if arguments.json:
        print_json(process)
    else:
        for line in _describe(process):
            print(printable(line))
    return OK if process["status"] == "running" else NOT_RUNNING


def _describe(values: dict[str, Any], indent: str = "") -> Iterable[str]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield f"{indent}{name}"
            yield from _describe(value, f"{indent}  ")
        else:
            items = value if isinstance(value, list) else [value]
            texts = (item if isinstance(item, str) else json.dumps(item) for item in items)
            yield f"{indent + name:<20} {' '.join(texts)}".rstrip()


def _act(verb: str, arguments: Namespace) -> int:
    client = _client(arguments)
    ids = arguments.ids or [
        process["id"] for process in client.processes() if verb != "start" or process["status"] not in _UP
    ]
    outcomes = _side_by_side(partial(_act_on, client, verb), ids)
    errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    done = [outcome for outcome in outcomes if isinstance(outcome, dict)]
    if done or arguments.json:
        _print(done, arguments)
    for error in errors:
        complain(error)
    return max(map(exit_code, errors), default=OK)


start, stop, restart = (partial(_act, verb) for verb in ("start", "stop", "restart"))


def _side_by_side(do: Callable[[str], Process], ids: Sequence[str]) -> list[Process | Exception]:
    """Do it for all at once: ten processes that end slowly are waited for only as long as one."""
    ids = list(dict.fromkeys(ids))
    outcomes: dict[str, Process | Exception] = {}
    room = threading.Semaphore(16)

    def work(process_id: str) -> None:
        with room:
            try:
                outcomes[process_id] = do(process_id)
            except (Failure, ProcessmanError) as error:
                outcomes[process_id] = error

    threads = [threading.Thread(target=work, args=[process_id], daemon=True) for process_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcomes[process_id] for process_id in ids]


def _act_on(client: Client, verb: str, process_id: str) -> Process:
    if verb == "stop":
        client.stop(process_id)
        return client.process(process_id, to=verb)
    before = client.process(process_id, to=verb)["run"]
    (client.start if verb == "start" else client.restart)(process_id)
    return _wait_for_run(client, verb, process_id, before)


def _wait_for_run(client: Client, verb: str, process_id: str, before: int) -> Process:
    pause = threading.Event()
    while True:
        process = client.process(process_id, to=verb)
        status, new = process["status"], process["run"] > before
        if new and status in ("running", "exited"):
            return process
        if process.get("escaped"):
            raise Failure(f"cannot {verb} process {process_id!r}: {note(process, datetime.now(UTC))}")
        if new and status not in ("starting", "stopping"):
            why = process["lastError"] or f"it is {status}"
            raise Failure(f"cannot {verb} process {process_id!r}: {why}")
        pause.wait(_SOON)


def logs(arguments: Namespace) -> int:
    """Print the newest output, and go on when told to."""
    reader = _Reader(_client(arguments), arguments)
    reader.print(reader.read(arguments.lines)[-arguments.lines:])
    if arguments.follow:
        _follow(reader)
    return OK


def _follow(reader: _Reader) -> None:
    """Go on until the manager has ended."""
    pause = threading.Event()
    try:
        while True:
            pause.wait(_LOOK)
            reader.print(reader.read(1000))
    except Unreachable as error:  # it may also be there and not let us in any more, or be somebody else
        if not isinstance(error.__cause__, ConnectionError):
            raise
    print("processman: the manager has ended", file=sys.stderr)


class _Reader:
    """Reads on from the last line it has seen of each process."""

    def __init__(self, client: Client, arguments: Namespace) -> None:
        self._client = client
        self._id = arguments.id
        self._json = arguments.json
        self._follow = arguments.follow
        self._coloured = colourful(sys.stdout)
        self._seen: dict[str, int] = {}

    def read(self, lines: int) -> list[dict[str, Any]]:
        ids = [self._id] if self._id else [process["id"] for process in self._client.processes()]
        found = [line for process_id in ids for line in self._read(process_id, lines)]
        return sorted(found, key=lambda line: datetime.fromisoformat(line["timestamp"]))

    def _read(self, process_id: str, lines: int) -> Iterable[dict[str, Any]]:
        try:
            items = self._client.logs(process_id, lines)
        except Refused as error:
            if self._id or error.status != 404:  # of all, one may be removed meanwhile
                raise
            return
        numbered = [line["seq"] for line in items if line["seq"]]
        seen = self._seen.get(process_id)
        if numbered and seen is not None and numbered[-1] < seen:
            seen = 0  # the manager is another one by now, and counts afresh
        if numbered and seen is not None and numbered[0] > seen + 1:
            missed = numbered[0] - seen - 1
            yield {"timestamp": items[0]["timestamp"], "processId": process_id, "missed": missed}
        self._seen[process_id] = numbered[-1] if numbered else seen or 0
        yield from (line for line in items if self._is_new(line, seen or 0))

    def _is_new(self, line: dict[str, Any], seen: int) -> bool:
        # what has no number is not complete yet: whoever follows gets it when it is
        return line["seq"] > seen or (not line["seq"] and not self._follow)

    def print(self, lines: Iterable[dict[str, Any]]) -> None:
        for line in lines:
            if self._json:
                print_json(line, indent=None)
            elif "missed" in line:
                missed = f"{line['missed']} lines of {line['processId']} were missed"
                print(f"processman: {missed}", file=sys.stderr)
            else:
                self._print(line)
        sys.stdout.flush()

    def _print(self, line: dict[str, Any]) -> None:
        print(line_of(line["processId"], line["stream"], line["content"], coloured=self._coloured))
