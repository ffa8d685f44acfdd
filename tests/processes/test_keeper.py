"""The keeper, spoken to in its own words: whatever it is told, it serves on and its children live."""
from __future__ import annotations

import json
import os
import random
import re
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
from processes.host import is_alive
from processes.keepers import KEEPER, SHELL, Ground, Held, Leader, gone, stopped
from support import CHILDREN, ROOT, require_root, until

from processman.errors import ProcessmanError

HELLO: dict[str, object] = {"processman": 1, "linger": 0, "control": None, "pid": None}
WHO = json.dumps({"processman": 1, "who": True}).encode() + b"\n"
SPAWN: dict[str, object] = {
    "argv": ["sleep", "600"], "cwd": "/", "env": {"PATH": os.defpath}, "stop_signal": "SIGTERM", "stop_timeout": 1,
}


@pytest.fixture
def leader(ground: Ground) -> Leader:
    """Somebody who leads, and may be left to be closed at the end."""
    return ground.lead()


@pytest.fixture
def child(leader: Leader) -> Held:
    """A child that waits."""
    return leader.spawn("child", "sleep", 600)


def message(**more: object) -> bytes:
    return json.dumps(more).encode() + b"\n"


def well(ground: Ground, child: Held) -> bool:
    """Whether one keeper serves, its child lives, and nothing else does below it."""
    return ground.serves() and ground.below() == [child.pid]


# -- what anybody may say ----------------------------------------------------------
@pytest.mark.parametrize("words", [
    b"", b"\n", b"\0\n", b"hello\n", b"\xff\xfe\n", b"{\n", b"{}\n", b"[]\n", b"null\n", b"1\n", b'"end"\n',
    b"NaN\n",
    b"[" * 100_000 + b"\n", b'{"a":' * 100_000 + b"\n", b'{"processman": ' + b"1" * 5000 + b"}\n",
    b'{"processman": 1, "linger": 0', b"x" * 1000, b"x" * (17 << 20), b"\n" * 5000,
    message(processman=1), message(processman="1"), message(processman=2), message(processman=[1]),
    message(processman=1, linger="soon"), message(processman=1, linger=None), message(processman=1, linger=[]),
    message(processman=1, linger=-1), message(processman=1, linger=1e300), message(processman=1, linger=1e999),
    message(processman=1, linger=float("nan")), message(processman=1, linger=10**400),
    message(processman=1, linger=0, control="me"), message(processman=1, linger=0, control={}),
    message(processman=1, linger=0, pid=-1), message(processman=1, linger=0, pid=0),
    message(processman=1, linger=0, pid=2**70), message(processman=1, linger=0, pid="x"),
    message(processman=1, linger=0, supervisor="x"), message(processman=1, linger=0, supervisor=2**70),
    message(processman=1, key="0" * 32, id="child"), message(processman=1, key=None, id="child"),
    message(processman=1, key=["x"]), message(spawn=SPAWN), message(adopt=True), message(reap=True),
    message(id="child", note={"x": 1}), message(end=False), message(who=True),
], ids=lambda words: repr(words[:40]))  # fmt: skip
def test_who_talks_nonsense_is_told_so_and_harms_nobody(ground: Ground, child: Held, words: bytes) -> None:
    """P6"""
    answer = ground.say(words)
    assert not answer or all("refused" in json.loads(line) for line in answer.splitlines()), answer
    assert well(ground, child)


def random_words(chance: random.Random) -> bytes:
    """Make up some lines of what the keeper knows, with wrong values, cut anywhere."""
    values = (None, 1, 0, -1, 1.5, True, "", "child", "x" * 300, [], {}, [1], SPAWN, float("nan"), 2**65)
    names = ("processman", "linger", "control", "counts", "supervisor", "key", "id", "who", "spawn", "adopt",
             "reap", "note")
    lines = b""
    for _ in range(chance.randrange(4)):
        chosen = {name: chance.choice(values) for name in chance.sample(names, chance.randrange(6))}
        lines += json.dumps(chosen | ({"processman": 1} if chance.random() < 0.7 else {})).encode() + b"\n"
    return lines[:chance.randrange(len(lines) + 1)] if chance.random() < 0.3 else lines


@pytest.mark.parametrize("rounds", [200, pytest.param(20_000, marks=pytest.mark.soak)])
def test_who_talks_at_random_harms_nobody(ground: Ground, child: Held, rounds: int) -> None:
    """P6"""
    chance = random.Random(rounds)
    before = ground.keeper().num_fds()
    for _ in range(rounds):
        ground.say(random_words(chance), [0] * chance.choice((0, 0, 0, 1, 4, 6)))
    ground.say(message(**HELLO))  # no supervisor is watched for it
    assert well(ground, child)
    until(lambda: ground.keeper().num_fds() == before)


#: one of each kind that JSON has, and some that are none
KINDS = (None, True, False, 0, -1, 99_999_999, 2**70, 1.5, 1e99, float("nan"), float("inf"), "", "x", [], ["x"], {},
         {"x": 1})
#: what would be a lease for as long as this system lives
ALWAYS_THERE = (True, 1.5)
MESSAGES: dict[str, dict[str, object]] = {
    "lease": {**HELLO, "counts": True, "supervisor": None},
    "way": {"processman": 1, "key": "0" * 32, "id": "child"},
    "question": {"processman": 1, "who": True},
}


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, said in MESSAGES.items() for field in said])
def test_no_field_may_be_of_a_wrong_kind(ground: Ground, child: Held, kind: str, field: str) -> None:
    """P6: whatever was said before, and whoever says the right thing after it."""
    before = until(ground.keeper).num_fds()
    for value in KINDS:
        if field == "pid" and value in ALWAYS_THERE:
            continue
        with ground.connect() as first:
            first.say(message(**{**HELLO, "supervisor": os.getpid()}))
            assert b"instance" in first.connection.recv(4096)
            ground.say(message(**{**MESSAGES[kind], field: value}))
            for _ in range(3):
                assert b"instance" in ground.say(message(**HELLO))
    assert well(ground, child)
    until(lambda: ground.keeper().num_fds() == before, what="the keeper to close what clients left")


@pytest.mark.parametrize("field", ["id", "note"])
def test_no_field_of_a_note_may_be_of_a_wrong_kind(
    ground: Ground, leader: Leader, child: Held, field: str
) -> None:
    """P6: who leads loses the lead by it, and nothing else is lost."""
    for value in KINDS:
        other = ground.lease(generation=2.0)
        leader.lease._channel.send({"id": "child", "note": {"x": 1}, field: value})
        leader.leave()
        leader = Leader(ground, other)
    assert well(ground, child)


@pytest.mark.parametrize("word", ["adopt", "reap", "spawn"])
def test_no_word_on_a_way_may_be_of_a_wrong_kind(ground: Ground, leader: Leader, child: Held, word: str) -> None:
    """P6"""
    for number, value in enumerate(KINDS):
        leader.way(f"nobody-{number}").send({word: value})
    assert well(ground, child)


@pytest.mark.parametrize(("words", "why"), [
    (message(processman=2, linger=0), "this keeper speaks version 1"),
    (message(processman=1, key="0" * 32, id="child"), "somebody else has control"),
    (message(processman=1, linger=float("inf")), "a time is too long, or none"),
    (b"x" * (17 << 20), "the message is too long"),
])
def test_who_is_refused_is_told_why_and_by_which_version(
    ground: Ground, child: Held, words: bytes, why: str
) -> None:
    """P6"""
    assert json.loads(ground.say(words)) == {"refused": why, "processman": 1}
    assert well(ground, child)


def test_half_a_line_is_waited_for_while_others_are_served(ground: Ground, child: Held) -> None:
    """P6"""
    slow = ground.connect()
    slow.say(b'{"processman": 1, ')
    assert well(ground, child)
    slow.say(b'"who": true}\n')
    assert json.loads(slow.connection.recv(4096)) == {"leases": 1, "owner": os.getpid(), "held": 1}


def test_what_comes_in_one_piece_is_told_apart(ground: Ground, leader: Leader) -> None:
    """P6"""
    answers = ground.say(WHO * 3)
    assert [json.loads(line)["leases"] for line in answers.splitlines()] == [1, 1, 1]


def test_100_clients_are_served_and_let_go(ground: Ground, child: Held) -> None:
    """P6"""
    before = until(ground.keeper).num_fds()
    clients = [ground.connect() for _ in range(100)]
    for number, client in enumerate(clients):
        client.say([b"{", b"x\n", WHO, b""][number % 4])
    assert well(ground, child)
    for client in clients:
        client.connection.close()
    until(lambda: ground.keeper().num_fds() == before, what="the keeper to close what clients left")


@pytest.mark.parametrize("words", [b"", b"{", b"x\n", message(**HELLO), WHO])
def test_clients_may_vanish_before_they_are_read(ground: Ground, child: Held, words: bytes) -> None:
    """P6: the poll that tells of them comes after their end."""
    keeper = ground.keeper()
    before = keeper.num_fds()
    with stopped(keeper.pid):
        for _ in range(50):
            client = ground.connect()
            client.say(words)
            client.connection.close()
    until(lambda: keeper.num_fds() == before, what="the keeper to close what clients left")
    assert well(ground, child)


def test_hosts_may_vanish_all_at_once(ground: Ground) -> None:
    """P6: each of them is next to lead while it is dead already."""
    keeper = ground.lease(linger=60).keeper
    hosts = [ground.lease(generation=float(number)) for number in range(400)]
    with stopped(keeper):
        for host in hosts:
            host.close()
    leader = ground.lead(generation=0.5)
    assert (leader.lease.keeper, leader.lease.count()) == (keeper, 2)


def test_who_never_reads_is_let_go(ground: Ground, child: Held) -> None:
    """P6"""
    deaf = ground.connect()
    with suppress(OSError):
        while True:
            deaf.connection.sendall(WHO * 1000)
    assert well(ground, child)


@pytest.mark.parametrize("count", [1, 4, 5, 20])
def test_descriptors_without_a_message_are_closed(ground: Ground, child: Held, count: int) -> None:
    """P6"""
    keeper = ground.keeper()
    before = keeper.num_fds()
    reading, writing = os.pipe()
    client = ground.connect()
    client.say(b"{", [writing] * count)
    os.close(writing)
    assert well(ground, child)
    client.connection.close()
    assert os.read(reading, 1) == b""  # nobody has it any more
    os.close(reading)
    until(lambda: keeper.num_fds() == before)


def test_somebody_else_is_not_let_in(ground: Ground, child: Held) -> None:
    """P6: even where directory and socket are open to all."""
    require_root()
    for path, mode in ((ground.folder, 0o711), (ground.run, 0o711), (ground.place.socket, 0o666)):
        path.chmod(mode)
    os.seteuid(65534)
    try:
        client = ground.connect()
    finally:
        os.seteuid(0)
    client.say(message(end=True))
    assert json.loads(client.hear_all())["refused"] == "it belongs to somebody else"
    ground.run.chmod(0o700)
    assert well(ground, child)


def test_directory_and_socket_are_closed_to_others(ground: Ground, leader: Leader) -> None:
    """P14"""
    assert [path.stat().st_mode & 0o777 for path in (ground.run, ground.place.socket)] == [0o700, 0o600]


def test_trouble_is_no_trouble_where_the_log_is_on_a_full_disk(ground: Ground) -> None:
    """P6"""
    ground.begin(log="/dev/full")
    child = ground.lead().spawn("child", "sleep", 600)
    ground.say(b"[" * 100_000 + b"\n")
    assert well(ground, child)


# -- what only who leads may say ---------------------------------------------------
@pytest.mark.parametrize("spawn", [
    None, [], "sleep", {}, {**SPAWN, "argv": None}, {**SPAWN, "argv": []}, {**SPAWN, "argv": [1]},
    {**SPAWN, "argv": ["\u20ac"]}, {**SPAWN, "cwd": None}, {**SPAWN, "env": ["A=b"]}, {**SPAWN, "env": {"A": 1}},
    {**SPAWN, "stop_signal": 15}, {**SPAWN, "stop_signal": "SIGNONE"}, {**SPAWN, "stop_timeout": "soon"},
    {**SPAWN, "stop_timeout": float("nan")}, {**SPAWN, "stop_timeout": float("inf")}, {**SPAWN, "stop_timeout": -1},
    {key: value for key, value in SPAWN.items() if key != "stop_signal"},
])  # fmt: skip
def test_a_wrong_spawn_is_refused_and_starts_nothing(
    ground: Ground, leader: Leader, child: Held, spawn: object
) -> None:
    """P6"""
    answer = leader.ask({"spawn": spawn})
    assert answer is not None
    assert "refused" in answer
    assert well(ground, child)


@pytest.mark.parametrize(("spawn", "number", "why"), [
    ({"argv": ["/nowhere/program"]}, 2, "No such file"),
    ({"cwd": "/nowhere"}, 2, "No such file"),
    ({"argv": ["/etc/passwd"]}, 13, "Permission denied"),
    ({"argv": ["sleep", "x" * 3_000_000]}, 7, "Argument list too long"),
    ({"argv": ["sleep\0"]}, None, "embedded null byte"),
    ({"env": {"A=B": "c"}}, None, "illegal environment variable name"),
])
def test_a_spawn_that_fails_says_why_and_another_may_follow(
    ground: Ground, leader: Leader, child: Held, spawn: dict[str, object], number: int | None, why: str
) -> None:
    """P6"""
    answer = leader.ask({"spawn": SPAWN | spawn})
    assert answer is not None
    assert answer["errno"] == number
    assert why in answer["why"]
    assert well(ground, child)
    assert leader.spawn("other", SHELL, "-c", "exit 7").status() == 7


@pytest.mark.parametrize("pipes", [0, 1])
def test_a_spawn_without_its_pipes_is_refused(
    ground: Ground, leader: Leader, child: Held, pipes: int
) -> None:
    """P6"""
    answer = leader.ask({"spawn": SPAWN}, pipes=pipes)
    assert answer is not None
    assert answer["refused"] == "a spawn needs four descriptors"
    assert well(ground, child)


@pytest.mark.parametrize("words", [
    {"adopt": True}, {"reap": True}, {"spawn": SPAWN},
])
def test_nobody_comes_between_who_leads_and_a_child(
    ground: Ground, leader: Leader, child: Held, words: dict[str, object]
) -> None:
    """P6"""
    assert (leader.ask(words, "child") or {}).get("refused") == "there is a way to it already"
    assert well(ground, child)


@pytest.mark.parametrize("words", [{"adopt": True}, {"reap": True}, {"x": 1}, {"note": 1}, {}])
def test_what_makes_no_sense_on_a_way_does_nothing(
    ground: Ground, leader: Leader, child: Held, words: dict[str, object]
) -> None:
    """P6"""
    way = leader.way("nobody")
    way.send(words)
    assert well(ground, child)


def test_a_child_that_nobody_heard_of_is_not_run_beside_the_next(ground: Ground, leader: Leader) -> None:
    """P6: who leads gave up waiting for the answer."""
    lost = leader.spawn("child", "sleep", 600)
    lost.channel.close()
    answer = leader.ask({"spawn": SPAWN}, "child")
    assert answer is not None
    assert answer["refused"] == "there was one already"
    gone(lost.pid)
    child = leader.spawn("child", "sleep", 600)
    assert well(ground, child)


@pytest.mark.parametrize("note", [[], None, {"id": ["x"], "note": 1}, {"note": {"x": 1}}])
def test_a_leader_that_talks_nonsense_is_led_by_another(
    ground: Ground, leader: Leader, child: Held, note: object
) -> None:
    """P6"""
    next_one = ground.lease(generation=2.0)
    leader.lease._channel._connection.sendall(json.dumps(note).encode() + b"\nx\n")
    grant = next_one.wait(20)
    assert grant is not None
    assert grant.children == {"child": child.pid}


# -- who leads ----------------------------------------------------------------------
def test_the_newest_leads_next_and_finds_what_was_noted(ground: Ground, leader: Leader, child: Held) -> None:
    """P3"""
    waiting = {generation: ground.lease(generation=generation) for generation in (5.0, 9.0, 7.0)}
    leader.lease.note("child", {"status": "running"})
    leader.lease.note("other", {"status": "stopped"})
    leader.lease.note("other", {})
    leader.leave()
    grant = waiting[9.0].wait(20)
    assert grant is not None
    assert (grant.children, grant.notes) == ({"child": child.pid}, {"child": {"status": "running"}, "other": {}})
    waiting[9.0].close()
    assert waiting[7.0].wait(20) is not None
    assert [waiting[5.0].led, waiting[5.0].wait(0)] == [True, None]
    assert is_alive(child.pid)


def test_notes_may_be_longer_than_a_socket_holds(ground: Ground, leader: Leader) -> None:
    """P3"""
    notes = {f"p{number}": {"text": "x" * 4000} for number in range(500)}
    for id, note in notes.items():
        leader.lease.note(id, note)
    next_one = ground.lease(generation=2.0)
    leader.leave()
    grant = next_one.wait(20)
    assert grant is not None
    assert grant.notes == notes


def test_an_end_while_nobody_leads_is_told_to_who_leads_next(ground: Ground, leader: Leader, child: Held) -> None:
    """P3"""
    other = leader.spawn("other", SHELL, "-c", "echo last words; exit 3")
    until(lambda: psutil.Process(other.pid).status() == psutil.STATUS_ZOMBIE)
    ground.lease()
    leader.leave()
    os.kill(child.pid, 9)
    gone(child.pid)
    successor = ground.lead()
    assert dict(successor.grant.children) == {"child": child.pid, "other": other.pid}
    assert successor.adopt("child")[1] == {"pid": child.pid, "exit": {"status": -9}}
    held, answer = successor.adopt("other")
    assert answer == {"pid": other.pid, "exit": {"status": 3}}
    assert held.read_until(b"words") == b"last words\n"
    held.channel.send({"reap": True})
    until(lambda: other.pid not in ground.below())


@pytest.mark.parametrize("key", [None, "", "0" * 32])
def test_no_key_opens_where_nobody_leads(ground: Ground, leader: Leader, child: Held, key: str | None) -> None:
    """P6"""
    ground.lease()
    leader.leave()
    until(lambda: json.loads(ground.say(WHO)) == {"leases": 1, "owner": None, "held": 1})
    for former in (key, leader.grant.key):
        answer = json.loads(ground.say(message(processman=1, key=former, id="child")))
        assert answer["refused"] == "somebody else has control"
    assert well(ground, child)


def test_pipes_go_from_hand_to_hand(ground: Ground, leader: Leader) -> None:
    """P3"""
    child = leader.spawn("child", CHILDREN / "slow_stop.py", 0)
    child.read_until(b"ready")
    ground.lease()
    leader.leave()
    held, answer = ground.lead().adopt("child")
    assert (held.pid, answer["exit"], len(held.outputs)) == (child.pid, None, 2)
    os.kill(child.pid, 15)
    held.read_until(b"stopping\nbye\n")
    assert held.status() == 0


@pytest.mark.parametrize(("script", "status"), [
    ("exit 0", 0), ("exit 1", 1), ("exit 255", 255), ("kill -9 $$", -9), ("kill -15 $$", -15),
    ("kill -ABRT $$", -6), ("ulimit -c 0; kill -SEGV $$", -11),
])
def test_every_status_arrives(leader: Leader, script: str, status: int) -> None:
    """P11"""
    assert leader.spawn("child", SHELL, "-c", script).status() == status


def check_descriptors_after(ground: Ground, leader: Leader, spawns: int) -> None:
    def spawn() -> None:
        with ExitStack() as ground.stack:  # closed at once
            leader.spawn("child", "true").status()

    outer = ground.stack
    spawn()
    until(lambda: not ground.below())
    before = ground.keeper().num_fds()
    for _ in range(spawns):
        spawn()
    until(lambda: not ground.below())
    until(lambda: ground.keeper().num_fds() == before, what=f"{before} descriptors")
    ground.stack = outer


@pytest.mark.parametrize("spawns", [50, pytest.param(1000, marks=pytest.mark.soak)])
def test_spawns_leave_no_descriptors(ground: Ground, leader: Leader, spawns: int) -> None:
    """P6"""
    check_descriptors_after(ground, leader, spawns)


def test_clients_that_there_is_no_room_for_are_told(ground: Ground) -> None:
    """R-emfile"""
    ground.begin(before=[SHELL, "-c", 'ulimit -n 64; exec "$@"', "sh"])
    leader = ground.lead()
    child = leader.spawn("child", "sleep", 600)
    clients = [ground.connect() for _ in range(100)]
    assert b"it has no descriptors left" in clients[-1].hear_all()
    with pytest.raises(ProcessmanError, match=r"cannot use the keeper at .*: it has no descriptors left"):
        ground.lease()
    for client in clients:
        client.connection.close()
    until(ground.serves)
    assert well(ground, child)
    assert leader.spawn("other", SHELL, "-c", "ulimit -n; exit 5").status() == 5


def test_orphans_are_reaped(ground: Ground, leader: Leader) -> None:
    """P11"""
    child = leader.spawn("child", CHILDREN / "makes_orphans.py", 20)
    child.read_until(b"ready")
    until(lambda: ground.below() == [child.pid])


def test_it_holds_nothing_of_who_began_it(ground: Ground, leader: Leader) -> None:
    """P14"""
    files = {Path(f"/proc/{leader.lease.keeper}/fd/{number}").readlink() for number in (0, 1, 2)}
    assert files == {Path(os.devnull), ground.place.socket.with_suffix(".log")}
    assert ground.keeper().cwd() == "/"




def test_every_word_is_written_down() -> None:
    page = (ROOT / "docs" / "keeper.md").read_text()
    words = set(re.findall(r"""\w+(?:\.get\(|\[)"(\w+)"|"(\w+)": |"(\w+)" in """, KEEPER.read_text()))
    assert {word for found in words for word in found if word and f'"{word}"' not in page} == set()
