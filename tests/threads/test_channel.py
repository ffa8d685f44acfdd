"""Connections that one thread closes while another waits for them."""
from __future__ import annotations

import os
import select
import socket
import threading

import pytest

from processman.channel import Channel

_poll = select.poll


class Poller:
    """Waits before it polls, until it may."""

    def __init__(self, about: threading.Event, may: threading.Event) -> None:
        self._about, self._may = about, may
        self._poller = _poll()
        self._fd = -1

    def register(self, connection: socket.socket, events: int) -> None:
        self._fd = connection.fileno()
        self._poller.register(self._fd, events)

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        self._about.set()
        self._may.wait(10)
        os.fstat(self._fd)  # it must not be closed, nor be another's
        return self._poller.poll(timeout)


def test_a_number_is_not_polled_when_it_is_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: a lease is closed by one thread while another is about to wait for it."""
    about, may = threading.Event(), threading.Event()
    monkeypatch.setattr(select, "poll", lambda: Poller(about, may))
    ours, theirs = socket.socketpair()
    closed = Channel(ours)
    answers: list[object] = []
    waiting = threading.Thread(target=lambda: answers.append(closed.receive()))
    closing = threading.Thread(target=closed.close)
    with theirs:
        waiting.start()
        assert about.wait(10)
        closing.start()
        assert theirs.recv(1) == b""
        closing.join(0.1)
        assert ours.fileno() >= 0
        may.set()
        closing.join(10)
        waiting.join(10)
    assert answers == [None]
    assert ours.fileno() == -1
    assert closed.ended
