"""What a leader that the keeper holds says of its end."""
from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest

from processman.channel import Channel
from processman.kept import KeptLeader
from processman.states import Exit


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    with theirs:
        yield channel, theirs
    channel.close()


def test_an_end_that_comes_with_the_answer_is_not_waited_for(ends: tuple[Channel, socket.socket]) -> None:
    """L-exit-at-once: nothing more comes, so a poll would never tell of it."""
    channel, theirs = ends
    theirs.sendall(b'{"pid": 7}\n{"exit": {"status": 3}}\n')
    leader = KeptLeader(channel, channel.receive() or {})
    assert leader.descriptors() is None
    assert leader.peek() == Exit(code=3)


def test_an_end_that_was_seen_on_the_way_is_not_waited_for(ends: tuple[Channel, socket.socket]) -> None:
    """Whoever signals looks first, and takes what the poll is to tell."""
    channel, theirs = ends
    theirs.sendall(b'{"pid": 7}\n')
    leader = KeptLeader(channel, channel.receive() or {})
    (fd,) = leader.descriptors() or ()
    assert leader.peek() is None
    theirs.sendall(b'{"exit": {"status": -9}}\n')
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    assert poller.poll(10_000)
    assert leader.peek() == Exit(signal="SIGKILL")
    assert leader.descriptors() is None
