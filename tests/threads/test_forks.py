"""A manager in a forked copy of its process."""
from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from support import until
from threads.fakes import ACTIONS, LOOKS, fake, run, words

from processman import Event, Manager
from processman.errors import NotOwner
from processman.testing import FakeEngine


def in_fork(function: Callable[[], object]) -> str:
    """Call *function* in a forked copy of this process; return its answer, or the name of what it raised."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)  # a copy that hangs is none of ours to wait for
        answer = b"died"
        try:
            answer = str(function()).encode()
        except BaseException as error:
            answer = type(error).__name__.encode()
        finally:
            os.write(writing, answer)
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answers:
        told = answers.read()
    assert os.waitpid(pid, 0)[1] == 0
    return told


FORKS = pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
METHODS: dict[str, Callable[[Manager], object]] = {
    **{name: lambda manager, action=action: action(manager, "p") for name, action in {**ACTIONS, **LOOKS}.items()},
    "register": lambda manager: manager.register(fake("new")),
    "start the manager": lambda manager: manager.start(),
    "stop the manager": lambda manager: manager.stop(),
    "with": lambda manager: manager.__enter__(),
    "run": lambda manager: manager.run(),
    "kill": lambda manager: manager.kill(),
    "list": lambda manager: manager.list(),
    "ids": lambda manager: manager.ids,
    "in": lambda manager: "p" in manager,
    "len": len,
    "iter": iter,
    "subscribe": lambda manager: manager.subscribe(print),
}


@FORKS
@pytest.mark.parametrize("method", METHODS)
def test_the_copy_of_a_started_manager_is_inert(manager: Manager, engine: FakeEngine, method: str) -> None:
    run(manager, "p")
    assert in_fork(lambda: METHODS[method](manager)) == NotOwner.__name__
    assert (words(manager), engine.child(1).signals) == ({"p": "running"}, [])


@FORKS
def test_the_exit_of_a_copy_touches_nothing(manager: Manager, engine: FakeEngine) -> None:
    """H-exit-paths"""
    run(manager, "p")
    assert in_fork(manager._life._at_exit) == "None"
    assert (words(manager), engine.child(1).signals) == ({"p": "running"}, [])


@FORKS
def test_a_manager_that_was_not_started_starts_afresh_in_the_copy(manager: Manager) -> None:
    manager.register(fake("p"))
    events: list[Event] = []
    manager.subscribe(events.append)

    def life() -> object:
        manager.start()
        manager.wait_for("p", "running", timeout=10)
        until(lambda: [event.kind for event in events] == ["registered", "starting", "running"])
        manager.stop()
        return words(manager)

    assert in_fork(life) == "{'p': 'stopped'}"
    assert (words(manager), events) == ({"p": "stopped"}, [])
    manager.start()
    manager.wait_for("p", "running", timeout=10)
