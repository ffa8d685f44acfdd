from __future__ import annotations

import dataclasses
import threading

import pytest

from processman.config import ProcessConfig
from processman.errors import AlreadyRunning, Overruled, StopFailed, WaitTimeout
from processman.inbox import Changed, Inbox, Ticket
from processman.lifecycle import Restart, Start, Stop
from processman.states import State, Status


@pytest.fixture
def status() -> Status:
    return Status(id="p", status=State.STOPPED, config=ProcessConfig(id="p", command="fake"))


@pytest.fixture
def inbox(status: Status) -> Inbox:
    return Inbox(status, lambda: None)


def running(status: Status, run: int = 1) -> Status:
    return dataclasses.replace(status, status=State.RUNNING, run=run)


def test_messages_are_taken_in_order_one_by_one(inbox: Inbox) -> None:
    messages = [Ticket(Start()), Changed("a.py"), Ticket(Stop())]
    for message in messages:
        inbox.post(message)
    assert [inbox.take() for _ in range(4)] == [*messages, None]


def test_posting_wakes_the_supervisor(status: Status) -> None:
    woken: list[bool] = []
    inbox = Inbox(status, lambda: woken.append(True))
    inbox.post(Changed("a.py"))
    inbox.close()
    inbox.post(Ticket(Stop()))
    assert woken == [True, True]


@pytest.mark.parametrize("error", [None, StopFailed("p", ("x",))])
def test_an_answer_reaches_who_waits(inbox: Inbox, error: StopFailed | None) -> None:
    ticket = Ticket(Stop())
    threading.Timer(0.0, inbox.answer, (ticket, error)).start()
    if error is None:
        inbox.wait_answered(ticket, 10)
        return
    with pytest.raises(StopFailed) as raised:
        inbox.wait_answered(ticket, 10)
    assert raised.value is error


def test_waiting_for_acceptance_raises_a_refusal_only(inbox: Inbox) -> None:
    refused, accepted, failed = Ticket(Start()), Ticket(Start()), Ticket(Restart())
    threading.Timer(0.0, inbox.answer, (refused, AlreadyRunning("p"))).start()
    with pytest.raises(AlreadyRunning):
        inbox.wait_taken(refused)
    threading.Timer(0.0, inbox.acknowledge, (accepted,)).start()
    inbox.wait_taken(accepted)
    assert not accepted.answered
    inbox.answer(failed, StopFailed("p", ("x",)))
    inbox.wait_taken(failed)


def test_no_answer_in_time_leaves_the_message(inbox: Inbox, status: Status) -> None:
    ticket = Ticket(Start())
    inbox.post(ticket)
    with pytest.raises(WaitTimeout) as raised:
        inbox.wait_answered(ticket, 0.01)
    assert raised.value.status is status
    assert isinstance(raised.value, TimeoutError)
    assert inbox.take() is ticket


@pytest.mark.parametrize("early", [True, False])
def test_what_comes_too_late_is_answered_by_the_end(inbox: Inbox, early: bool) -> None:
    tickets = [Ticket(Stop()), Ticket(Start()), Ticket(Restart())]
    if not early:
        inbox.close()
    for message in (Changed("a.py"), *tickets):
        inbox.post(message)
    if early:
        inbox.close()
    inbox.wait_answered(tickets[0], 0)
    for ticket in tickets[1:]:
        with pytest.raises(Overruled):
            inbox.wait_answered(ticket, 0)
        inbox.wait_taken(ticket)
    assert inbox.take() is None


def test_the_present_status_counts(inbox: Inbox, status: Status) -> None:
    assert inbox.wait_for(lambda each: each.status == "stopped", 0) is status
    with pytest.raises(WaitTimeout, match="it is stopped"):
        inbox.wait_for(lambda each: each.status == "running", 0.01)


def test_what_was_before_the_wait_does_not_count(inbox: Inbox, status: Status) -> None:
    inbox.publish(running(status))
    inbox.publish(status)
    with pytest.raises(WaitTimeout):
        inbox.wait_for(lambda each: each.status == "running", 0.01)


def test_every_status_is_seen_in_order_even_by_who_is_slow(inbox: Inbox, status: Status) -> None:
    seen: list[int] = []

    def accept(each: Status) -> bool:
        if not seen:  # much happens while it looks at the first
            for run in range(1, 61):
                inbox.publish(running(status, run))
        seen.append(each.run)
        return each.run == 60

    assert inbox.wait_for(accept, 10).run == 60
    assert seen == list(range(61))


def test_what_a_predicate_raises_reaches_who_waits(inbox: Inbox) -> None:
    with pytest.raises(ZeroDivisionError):
        inbox.wait_for(lambda each: 1 / 0 > 1, 10)
    inbox.post(Ticket(Start()))


def test_the_end_wakes_who_waits_after_the_last_status(inbox: Inbox, status: Status) -> None:
    waiting = threading.Event()

    def accept(each: Status) -> bool:
        waiting.set()
        return each.status == "running"

    def end() -> None:
        waiting.wait(10)
        inbox.close()

    ender = threading.Thread(target=end)
    ender.start()
    with pytest.raises(Overruled):
        inbox.wait_for(accept, 10)
    ender.join(10)
    with pytest.raises(Overruled):
        inbox.wait_for(accept, 10)
    inbox.publish(running(status))
    assert inbox.wait_for(accept, 10).status == "running"
