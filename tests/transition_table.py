"""Writes ``testdata/lifecycle.txt``, the state machine's whole table: ``python tests/transition_table.py``."""
from __future__ import annotations

from pathlib import Path

from processman.lifecycle import Exited, Gone, Lifecycle, Restart, Spawned, SpawnFailed, Start, Stop
from processman.restart import RestartPolicy
from processman.states import Exit, State

FILE = Path(__file__).parents[1] / "testdata" / "lifecycle.txt"

CRASH = Exit(code=1)
#: how a machine gets into a state, and how the row is called
HISTORIES = {
    "stopped": [],
    "starting (asked)": [Start()],
    "starting (retry)": [Start(), Spawned(), Exited(CRASH), "deadline"],
    "running": [Start(), Spawned()],
    "stopping (stop)": [Start(), Spawned(), Stop()],
    "stopping (stop, killed)": [Start(), Spawned(), Stop(), "deadline"],
    "stopping (stop, survived)": [Start(), Spawned(), Stop(), "deadline", "deadline"],
    "stopping (again)": [Start(), Spawned(), Restart()],
    "stopping (retry)": [Start(), Spawned(), Exited(CRASH, rest=True)],
    "crashed": [Start(), Spawned(), Exited(CRASH)],
    "exited": [Start(), Spawned(), Exited(Exit(code=0))],
    "failed": [Start(), SpawnFailed("cannot", "invalid")],
}
INPUTS = {
    "start": Start(),
    "stop": Stop(),
    "stop at once": Stop(grace=0.0),
    "restart": Restart(),
    "spawned": Spawned(),
    "spawn failed": SpawnFailed("cannot", "transient"),
    "missing": SpawnFailed("cannot find", "missing"),
    "exited": Exited(CRASH),
    "exited, fine": Exited(Exit(code=0)),
    "exited, rest lives": Exited(CRASH, rest=True),
    "gone": Gone(CRASH),
    "deadline": "deadline",
}


def machine_after(history: list[object], policy: RestartPolicy) -> tuple[Lifecycle, float]:
    machine, now = Lifecycle(policy), 100.0
    for step in history:
        now += 1.0
        feed(machine, step, now)
    return machine, now


def feed(machine: Lifecycle, step: object, now: float) -> tuple[object, ...]:
    if step != "deadline":
        return machine.handle(step, now)
    return () if machine.deadline is None else machine.tick(machine.deadline)


def cell(history: list[object], step: object, policy: RestartPolicy) -> str:
    machine, now = machine_after(history, policy)
    before = (machine.state, machine.wish, machine.deadline, machine.failures, machine.last_error)
    actions = feed(machine, step, now + 1.0)
    after = (machine.state, machine.wish, machine.deadline, machine.failures, machine.last_error)
    if not actions and before == after:
        return "."
    wish = f"({machine.wish.value})" if machine.state in (State.STOPPING, State.STARTING) else ""
    due = f" +{machine.deadline - now - 1.0:.4g}s" if machine.deadline is not None and before[2] != after[2] else ""
    did = "".join(f" !{type(action).__name__.lower()}" for action in actions)
    return f"{machine.state}{wish}{due}{did}"


def table() -> str:
    policies = {
        "restart: on-failure, maxRetries: 10": RestartPolicy(restart="on-failure"),
        "restart: on-failure, maxRetries: 0": RestartPolicy(restart="on-failure", max_retries=0),
    }
    blocks = [
        """\
The state machine of one process: a block is where it is, a line in it an input and what follows.
A wish stands in parentheses, a new deadline after +, an action after !, and '.' is nothing at all.
Made by `python tests/transition_table.py`; a test compares.
"""
    ]
    for title, policy in policies.items():
        blocks.append(f"== {title} ==\n")
        for name, history in HISTORIES.items():
            rows = [f"  {called:<20}{cell(history, step, policy)}" for called, step in INPUTS.items()]
            blocks.append("\n".join([name, *rows]) + "\n")
    return "\n".join(blocks)


if __name__ == "__main__":
    FILE.write_text(table())
