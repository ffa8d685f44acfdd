from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from processman import foreground
from processman.foreground import Signals

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

SCRIPT = """
import os, signal, sys, threading
from processman import foreground
{before}
def say(word): os.write(1, (word + "\\n").encode())
hold = threading.Event()
def stop():
    say("stopping")
    {stop}
    say("stopped")
def kill():
    say("killing"); hold.set()
second = foreground.run(lambda: say("started"), stop, kill)
say(f"second {{second}}")
"""


@pytest.fixture
def script():
    """Run a script under foreground.run; return the process."""
    running = []

    def run(before="", stop="", **options):
        text = SCRIPT.format(before=before, stop=stop)
        process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True, **options)
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def line(process):
    return process.stdout.readline().rstrip("\n")


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_stops(number, script):
    """H-exit-paths"""
    process = script()
    assert line(process) == "started"
    process.send_signal(number)
    assert process.communicate()[0].split("\n") == ["stopping", "stopped", "second None", ""]
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_kills(number, script):
    process = script(stop="hold.wait()")
    assert line(process) == "started"
    process.send_signal(signal.SIGTERM)
    assert line(process) == "stopping"
    process.send_signal(number)
    assert process.communicate()[0].split("\n") == ["killing", "stopped", f"second {int(number)}", ""]


def test_a_second_hangup_does_not_kill(script):
    """When a terminal is closed the shell sends one, and then the system."""
    process = script(stop="hold.wait(0.2)")
    assert line(process) == "started"
    process.send_signal(signal.SIGHUP)
    assert line(process) == "stopping"
    process.send_signal(signal.SIGHUP)
    assert process.communicate()[0].split("\n") == ["stopped", "second None", ""]


def test_a_hangup_that_was_ignored_stays_ignored(script):
    """nohup: the hangup does nothing, the next signal ends."""
    process = script(before="signal.signal(signal.SIGHUP, signal.SIG_IGN)")
    assert line(process) == "started"
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[0].split("\n") == ["stopping", "stopped", "second None", ""]


def test_what_stop_raises_comes_through(script):
    process = script(stop="raise ValueError('survivors')", stderr=subprocess.PIPE)
    assert line(process) == "started"
    process.terminate()
    _, err = process.communicate()
    assert "ValueError: survivors" in err
    assert process.returncode == 1


@pytest.fixture
def own():
    """Handlers of the host's own, put back after the test."""
    def handler(number, frame):
        raise AssertionError(number)

    former = {number: signal.signal(number, handler) for number in NUMBERS}
    yield handler
    for number, was in former.items():
        signal.signal(number, was)


def handlers():
    return [signal.getsignal(number) for number in NUMBERS]


def test_handlers_are_there_only_meanwhile(own):
    """H-signals-untouched"""
    with Signals():
        assert own not in handlers()
    assert handlers() == [own] * 3


def test_handlers_are_put_back_when_start_raises(own):
    def start():
        raise ValueError("broken file")

    with pytest.raises(ValueError, match="broken file"):
        foreground.run(start, pytest.fail, pytest.fail)
    assert handlers() == [own] * 3


def test_a_signal_during_the_start_ends_it(own):
    calls = []

    def start():
        os.kill(os.getpid(), signal.SIGTERM)

    assert foreground.run(start, lambda: calls.append("stop"), pytest.fail) is None
    assert calls == ["stop"]


def test_two_signals_during_the_start_kill(own):
    hold = threading.Event()

    def start():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)

    assert foreground.run(start, hold.wait, hold.set) == signal.SIGTERM


def test_waking_ends_the_wait(own):
    with Signals() as signals:
        thread = threading.Thread(target=signals.wake)
        thread.start()
        assert signals.wait() is None
        thread.join()
    signals.wake()  # too late: nothing happens


@pytest.mark.parametrize("attempt", range(5))
def test_signals_that_come_together_are_not_lost(attempt, script):
    """The system hands the second one to another thread, which does not wake the main thread."""
    threads = "[threading.Thread(target=threading.Event().wait, daemon=True).start() for _ in range(5)]"
    process = script(before=threads, stop="hold.wait()")
    assert line(process) == "started"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    words = set(process.communicate()[0].split("\n")) - {"second 2", "second 15"}
    assert words == {"stopping", "killing", "stopped", ""}


def test_signals_that_are_not_ours_are_passed_over(own):
    former = signal.signal(signal.SIGUSR1, lambda *_: None)
    with Signals() as signals:
        for number in (signal.SIGUSR1, signal.SIGTERM):
            os.kill(os.getpid(), number)
        assert signals.wait() == signal.SIGTERM
    signal.signal(signal.SIGUSR1, former)
    assert signal.set_wakeup_fd(-1) == -1


def test_only_the_main_thread_may_wait(own):
    """H-signals-untouched: no handler outside the main thread."""
    raised = []

    def elsewhere():
        try:
            foreground.run(pytest.fail, pytest.fail, pytest.fail)
        except RuntimeError as error:
            raised.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert raised == ["cannot wait for signals: only the main thread can"]
    assert handlers() == [own] * 3


def test_a_kill_that_comes_before_the_stop_is_repeated(own):
    begun, killed = threading.Event(), threading.Event()

    def start():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)

    def stop():
        begun.wait()  # until the first kill has been in vain
        killed.wait()

    def kill():
        (killed if begun.is_set() else begun).set()

    assert foreground.run(start, stop, kill) == signal.SIGTERM
    assert killed.is_set()
