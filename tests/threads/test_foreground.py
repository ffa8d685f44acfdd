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
import signal, sys, threading
from processman import foreground
{before}
def say(word): print(word, flush=True)
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


@pytest.mark.parametrize("number", NUMBERS)
def test_a_second_signal_kills(number, script):
    process = script(stop="hold.wait()")
    assert line(process) == "started"
    process.send_signal(signal.SIGTERM)
    assert line(process) == "stopping"
    process.send_signal(number)
    assert process.communicate()[0].split("\n") == ["killing", "stopped", f"second {int(number)}", ""]


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


def test_posting_ends_the_wait(own):
    with Signals() as signals:
        thread = threading.Thread(target=signals.post, args=["news"])
        thread.start()
        assert signals.wait() == "news"
        thread.join()


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
