"""A keeper in a short directory of its own: begun, spoken to in its own words, looked for afterwards."""
from __future__ import annotations

import array
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psutil
from processes.host import is_alive
from support import ROOT, until

from processman import Config
from processman.channel import Channel
from processman.lease import Grant, Lease
from processman.place import Place

KEEPER = ROOT / "processman" / "keeper.py"
SHELL = "/bin/sh"


class Ground:
    """Where one keeper lives at a time. What is opened here is closed in the end."""

    def __init__(self) -> None:
        self.folder = Path(mkdtemp(prefix="pm", dir="/tmp"))  # short: it holds sockets
        self.data, self.run = self.folder / "data", self.folder / "run"
        self.data.mkdir()
        self.place = Place(self.config())
        self.stack = ExitStack()

    def config(self, **more: Any) -> Config:
        """Configure a manager that uses this keeper."""
        return Config(data_dir=self.data, run_dir=str(self.run), engine="keeper", **{"linger": 0.0, **more})

    def lease(self, **more: Any) -> Lease:
        """Hold a lease; a keeper is begun for it where there is none."""
        options: dict[str, Any] = {"instance": "0123456789abcdef", "linger": 0.0, "generation": None, **more}
        lease = Lease(self.place, **options)
        self.stack.callback(lease.close)
        return lease

    def lead(self, **more: Any) -> Leader:
        """Hold a lease, and wait for control."""
        return Leader(self, self.lease(**{"generation": 1.0, **more}))

    def begin(
        self, source: str | Path = KEEPER, *, before: Sequence[str] = (), log: str = os.devnull,
        instance: str = "0123456789abcdef",
    ) -> None:
        """Begin the program *source* by its command line, as no library would; *before* stands before it."""
        self.run.mkdir(mode=0o700, exist_ok=True)
        ledger = self.data / "no-ledger"
        with socket.socket(socket.AF_UNIX) as listener, open(log, "wb") as errors:
            listener.bind(os.fspath(self.place.socket))
            listener.listen(512)
            subprocess.run(
                [*before, sys.executable, "-I", "-S", source, self.place.socket, str(listener.fileno()), ledger,
                 instance],
                pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                cwd="/", start_new_session=True, check=True,
            )  # fmt: skip

    def altered(self, **names: object) -> Path:
        """Return a copy of the program in which names at its top mean something else."""
        text = KEEPER.read_text()
        for name, value in names.items():
            begin = text.index(f"\n{name} = ")
            text = f"{text[:begin]}\n{name} = {value!r}{text[text.index(chr(10), begin + 1):]}"
        path = self.folder / "altered.py"
        path.write_text(text)
        return path

    def connect(self) -> Client:
        """Connect, and say nothing."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(os.fspath(self.place.socket))
        connection.settimeout(20)
        return self.stack.enter_context(Client(connection))

    def say(self, words: bytes, fds: Sequence[int] = ()) -> bytes:
        """Say *words*, and nothing more; return what is answered until the end."""
        with self.connect() as client:
            client.say(words, fds)
            with suppress(OSError):
                client.connection.shutdown(socket.SHUT_WR)
            return client.hear_all()

    def serves(self) -> bool:
        """Ask something that a keeper answers."""
        return self.place.ask({"processman": 1, "who": True}) is not None

    def keepers(self) -> list[psutil.Process]:
        """Return every keeper that lives here."""
        return [each for each in psutil.process_iter(["cmdline"]) if self._is_keeper(each)]

    def keeper(self) -> psutil.Process:
        """Return the only one."""
        (found,) = self.keepers()
        return found

    def below(self) -> list[int]:
        """Return whom the keeper has below it, zombies among them."""
        return [each.pid for each in self.keeper().children(recursive=True)]

    def _is_keeper(self, process: psutil.Process) -> bool:
        words = process.info["cmdline"] or ()
        with suppress(psutil.Error):
            return os.fspath(self.place.socket) in words and process.status() != psutil.STATUS_ZOMBIE
        return False

    def wait_over(self, timeout: float = 20) -> None:
        """Wait until there is no keeper."""
        until(lambda: not self.keepers(), timeout, "the keeper to end")

    def close(self) -> None:
        """Let go of everything, and wait until the keeper is gone."""
        self.stack.close()
        try:
            self.wait_over()
            left = [path.name for path in self.run.rglob("*") if path.is_file() and path.suffix != ".lock"]
            assert not left, f"left behind: {left}"
        finally:
            for each in self.keepers():
                each.kill()
            shutil.rmtree(self.folder)


class Client:
    """One connection of which every byte is ours."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def say(self, words: bytes | Mapping[str, object], fds: Sequence[int] = ()) -> None:
        """Say *words*; who listens may have gone."""
        data = words if isinstance(words, bytes) else json.dumps(words).encode() + b"\n"
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.sendall(data[self.connection.sendmsg([data[:1 << 16]], rights):])

    def hear_all(self) -> bytes:
        """Return all that is said until the end."""
        heard = b""
        with suppress(ConnectionResetError):
            while data := self.connection.recv(1 << 16):
                heard += data
        return heard

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


class Held:
    """One child: the way to it, and where it is read."""

    def __init__(self, channel: Channel, answer: Mapping[str, Any], outputs: Sequence[int]) -> None:
        self.channel, self.outputs = channel, list(outputs)
        self.pid = int(answer["pid"])

    def read_until(self, words: bytes) -> bytes:
        """Read its output until it has said *words*."""
        heard = b""
        while words not in heard:
            data = os.read(self.outputs[0], 1 << 16)
            assert data, f"{heard!r} is all that was said"
            heard += data
        return heard

    def status(self) -> int:
        """Wait for its end, have it reaped, and return its status."""
        message = self.channel.receive(20)
        assert message is not None, "no end is told"
        self.channel.send({"reap": True})
        return int(message["exit"]["status"])


class Leader:
    """Who has control."""

    def __init__(self, ground: Ground, lease: Lease) -> None:
        self.ground, self.lease = ground, lease
        grant = lease.wait(20)
        assert grant is not None, "no control"
        self.grant: Grant = grant

    def way(self, id: str) -> Channel:
        """Open the way to a child."""
        channel = self.lease.way_to(id, self.grant.key)
        self.ground.stack.callback(channel.close)
        return channel

    def ask(self, message: Mapping[str, object], id: str = "other", pipes: int = 2) -> dict[str, Any] | None:
        """Ask on a way of its own, with as many pipes as a spawn has; ``None``: there is no answer."""
        channel, fds = self.lease.way_to(id, self.grant.key), [fd for _ in range(pipes) for fd in os.pipe()]
        try:
            with suppress(ConnectionError):  # refused already
                channel.send(message, fds)
            return channel.receive(20)
        finally:
            channel.close()
            for fd in fds:
                os.close(fd)

    def spawn(self, id: str, *argv: object, **more: object) -> Held:
        """Have *argv* run, by this Python where it begins with a script."""
        words = [str(each) for each in argv]
        words = [sys.executable, *words] if words[0].endswith(".py") else words
        channel, (out, to_out), (err, to_err) = self.way(id), os.pipe(), os.pipe()
        message = {"spawn": {
            "argv": words, "cwd": "/", "env": dict(os.environ), "stop_signal": "SIGTERM", "stop_timeout": 10.0,
            **more,
        }}  # fmt: skip
        try:
            channel.send(message, [to_out, to_err, out, err])
        finally:
            os.close(to_out), os.close(to_err)
        for fd in (out, err):
            self.ground.stack.callback(os.close, fd)
        answer = channel.receive(20)
        assert answer is not None, "no answer"
        assert "pid" in answer, answer
        return Held(channel, answer, (out, err))

    def adopt(self, id: str) -> tuple[Held, Mapping[str, Any]]:
        """Take over a child; return the answer, too."""
        channel = self.way(id)
        channel.send({"adopt": True})
        answer = channel.receive(20)
        assert answer is not None, "no answer"
        outputs = channel.take_descriptors()
        for fd in outputs:
            self.ground.stack.callback(os.close, fd)
        return Held(channel, answer, outputs), answer

    def leave(self) -> None:
        """Close the lease: the ways go with it."""
        self.lease.close()


def gone(pid: int, timeout: float = 20) -> None:
    """Wait until *pid* lives no more."""
    until(lambda: not is_alive(pid), timeout, f"the end of process {pid}")


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Hold *pid* still: what happens meanwhile it learns at once."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    yield
    os.kill(pid, signal.SIGCONT)
