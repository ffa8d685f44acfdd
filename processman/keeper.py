"""The keeper: a small program that holds managed processes while the workers of a host come and go.

It forks, reaps and hands over, and decides nothing while somebody leads; when the last lease is over it ends
what it holds. One thread, the standard library only, nothing of ours imported, for it runs on its own:
``python -I -S keeper.py SOCKET LISTENER LEDGER INSTANCE``. Its language is written down in docs/keeper.md.
"""
from __future__ import annotations

import array
import ctypes
import glob
import json
import os
import resource
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

PROTOCOL = 1
#: bytes of one message; arguments and environment are the most of it
MESSAGE = 16 << 20
#: seconds that it waits for its first lease, and for what not even force has ended
PATIENCE = 5.0
#: seconds that anything may take at most
LONGEST = 366 * 86400.0
#: seconds between two looks while all is being ended, and after an exit until orphans are looked for
LOOK, ORPHANS = 0.05, 0.5
#: seconds that a client may take to read what does not fit into its socket
SLOW = 1.0

_LINUX = sys.platform == "linux"
_LIBC = ctypes.CDLL(None) if _LINUX else None
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_CREDENTIALS = struct.Struct("3i")
#: what is meant for a host
_UNHEARD = {signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2}
_LIMITS = resource.getrlimit(resource.RLIMIT_NOFILE)

Message = dict[str, Any]


class Refused(Exception):
    """A client asked for what it may not have: it is told why, and dropped."""


class Child:
    """One process that is held. Its exit is told to whoever asks, until somebody says that it may be reaped."""

    def __init__(self, spawn: Message) -> None:
        self.stop_signal = int(signal.Signals[spawn["stop_signal"]])
        self.stop_timeout = _seconds(spawn["stop_timeout"])
        self.pid = 0
        #: where what it says is read
        self.outputs: list[int] = []
        self.exit: Message | None = None

    def reap(self) -> None:
        """Give back the pid and the pipes."""
        for fd in self.outputs:
            os.close(fd)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)

    def drain(self) -> None:
        """Throw its output away: nobody reads any more, and a full pipe would keep it from ending."""
        for fd in self.outputs:
            os.set_blocking(fd, False)
            with suppress(BlockingIOError):
                for _ in range(16):  # not more at a time: who writes for ever must not hold us up
                    os.read(fd, 1 << 16)


class Client:
    """One connection: a lease, or the way to one child."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.pid, self.user = _peer(connection)
        self.buffer = b""
        self.fds: list[int] = []
        self.pidfd = -1
        self.lease = False
        #: what is held goes on for its sake, too
        self.counts = True
        #: its lease is the life of another process, and not of the connection
        self.foreign = False
        #: how new it is, where it wants to lead
        self.generation: float | None = None
        #: the id of the child that it is the way to
        self.id: str | None = None

    def send(self, message: Message, fds: list[int] | None = None) -> None:
        """Send one line, and descriptors beside it."""
        data = json.dumps(message).encode() + b"\n"
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        if rest := data[self.connection.sendmsg([data], rights):]:
            self.connection.sendall(rest)

    def receive(self) -> list[Message] | None:
        """Return the messages that have come; ``None`` at the end."""
        data, ancillary, *_ = self.connection.recvmsg(1 << 18, socket.CMSG_SPACE(32))
        for _, kind, content in ancillary:
            if kind == socket.SCM_RIGHTS:
                self.fds += array.array("i", content[:len(content) // 4 * 4])
        *lines, self.buffer = (self.buffer + data).split(b"\n") if b"\n" in data else [self.buffer + data]
        if len(self.buffer) > MESSAGE or len(self.fds) > 4:
            raise Refused("the message is too long")
        return [json.loads(line) for line in lines] if data else None

    def close_descriptors(self) -> None:
        """Close what has come from it."""
        while self.fds:
            os.close(self.fds.pop())

    def close(self) -> None:
        """Let go of it."""
        self.connection.close()
        self.close_descriptors()
        if self.pidfd >= 0:
            os.close(self.pidfd)


class Keeper:
    """All that is held, and who holds the leases on it."""

    def __init__(self, listener: socket.socket, instance: str) -> None:
        self.listener = listener
        self.instance = instance
        self.clients: set[Client] = set()
        self.children: dict[str, Child] = {}
        #: what owners noted of each id, for the next one
        self.notes: Message = {}
        self.owner: Client | None = None
        self.key: str | None = None
        self.linger = 0.0
        #: who starts the next host, by its pidfd: without it there is nothing to linger for
        self.supervisor = -1
        #: when to begin to end; ``None`` while there is a lease
        self.deadline: float | None = time.monotonic() + PATIENCE
        #: when to use force; ``None`` while nothing is being ended
        self.kill_at: float | None = None
        self.asked: set[tuple[int, int]] = set()
        self.orphans_at: float | None = None
        #: told to end by a signal: nothing is spawned any more, whoever asks
        self.told = False
        self.selector = selectors.DefaultSelector()
        self.wakes, self.waker = socket.socketpair()
        for each in (listener, self.wakes, self.waker):
            each.setblocking(False)
        signal.set_wakeup_fd(self.waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        signal.signal(signal.SIGTERM, self.tell)
        self.watch(listener, self.accept)
        self.watch(self.wakes, self.wake)

    def watch(self, what: socket.socket | int, then: Callable[[], None]) -> None:
        """Call *then* when there is something to read."""
        self.selector.register(what, selectors.EVENT_READ, then)

    def run(self) -> None:
        """Serve until nothing is held, and nobody holds a lease."""
        while not self.is_over():
            for key, _ in self.selector.select(self.timeout()):
                key.data()
            self.tick(time.monotonic())

    # -- time ------------------------------------------------------------------
    def leases(self) -> int:
        """Return how many leases there are."""
        return sum(client.lease and client.counts for client in self.clients)

    def refuses(self) -> bool:
        """Whether it is there for hosts to be refused: they would start again what was told to end."""
        return self.told and self.leases() > 0

    def is_ending(self) -> bool:
        """Whether there is something to end, or may be."""
        return self.kill_at is not None and (bool(self.children) or not self.refuses())

    def is_over(self) -> bool:
        """Whether there is nothing left to do, or nothing that can be done."""
        if self.kill_at is None or self.refuses():
            return False
        return time.monotonic() > self.kill_at + PATIENCE or not (self.children or _descendants())

    def timeout(self) -> float | None:
        """Return the seconds until something is due."""
        due = [at for at in (self.deadline, self.orphans_at) if at is not None]
        if self.is_ending():
            due.append(time.monotonic() + LOOK)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self.orphans_at is not None and now >= self.orphans_at:
            self.orphans_at = None
            self.reap_orphans()
        if self.deadline is not None and now >= self.deadline:
            self.end()
        if self.kill_at is not None and self.is_ending():
            self.go_on_ending(force=now >= self.kill_at)
        self.grant()

    def tell(self, *_: object) -> None:
        """Take SIGTERM: end all, and start nothing more for hosts that are being ended themselves."""
        self.told = True
        self.end()

    def end(self) -> None:
        """Begin to end everything: asked first, made to when the longest stop timeout is over."""
        self.deadline = None
        if self.kill_at is None:
            longest = max((child.stop_timeout for child in self.children.values()), default=PATIENCE)
            self.kill_at = time.monotonic() + longest

    def go_on_ending(self, *, force: bool) -> None:
        """Ask who was not asked yet, or use force; reap who is over."""
        self.look()
        signals = {child.pid: child.stop_signal for child in self.children.values()}
        for pid, start in _descendants():
            if force:
                _signal(pid, start, signal.SIGKILL)
            elif (pid, start) not in self.asked:
                self.asked.add((pid, start))
                _signal(pid, start, signals.get(pid, signal.SIGTERM), signal.SIGCONT)
        for id, child in list(self.children.items()):
            if not _LINUX:  # no table of who descends from whom: the groups have to do
                with suppress(OSError):
                    os.killpg(child.pid, signal.SIGKILL if force else child.stop_signal)
            if self.way_to(id) is None:
                child.drain()
                self.reap(id)
        self.reap_orphans()

    # -- children --------------------------------------------------------------
    def wake(self) -> None:
        """Take the news that a signal has come."""
        self.wakes.recv(4096)
        self.orphans_at = self.orphans_at or time.monotonic() + ORPHANS
        self.look()

    def look(self) -> None:
        """See who is over, and tell who wants to know."""
        for id, child in self.children.items():
            if child.exit is None:
                child.exit = _exit_of(child.pid)
                if child.exit is not None and (client := self.way_to(id)) is not None:
                    self.guard(client, client.send, {"exit": child.exit})

    def way_to(self, id: str) -> Client | None:
        """Return who is connected to child *id*."""
        return next((client for client in self.clients if client.id == id), None)

    def reap(self, id: str) -> None:
        """Let go of child *id*, if it is over."""
        if id in self.children and self.children[id].exit is not None:
            self.children.pop(id).reap()

    def reap_orphans(self) -> None:
        """Reap what came to us when its parent ended."""
        ours = {child.pid for child in self.children.values()}
        for pid, (parent, _, _) in _table().items():
            if parent == os.getpid() and pid not in ours:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def spawn(self, client: Client, spawn: Message) -> None:
        """Start a process, where there is none."""
        self.reap(str(client.id))  # who asks for another has no use for one that is over
        if client.id in self.children:  # who led had no time to hear of it
            os.kill(self.children[client.id].pid, signal.SIGKILL)
            raise Refused("there was one already")
        if len(client.fds) != 4:
            raise Refused("a spawn needs four descriptors")
        told = {"errno": None, "why": "the keeper was told to end"}
        answer = told if self.kill_at is not None else self.start(str(client.id), spawn, client.fds)
        client.close_descriptors()
        client.send(answer)

    def start(self, id: str, spawn: Message, fds: list[int]) -> Message:
        """Start what *spawn* says. It writes to two of *fds*; the other two, where that is read, are taken."""
        child = Child(spawn)  # before there is a process, which nobody would hold if this failed
        argv = [each.encode("latin-1") for each in spawn["argv"]]
        env = {name.encode("latin-1"): value.encode("latin-1") for name, value in spawn["env"].items()}
        try:
            popen = subprocess.Popen(
                argv, cwd=spawn["cwd"].encode("latin-1"), env=env, stdin=subprocess.DEVNULL, stdout=fds[0],
                stderr=fds[1], start_new_session=True,
                preexec_fn=partial(_become_child, os.getpid()),  # noqa: PLW1509 (there is one thread)
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return {"errno": getattr(error, "errno", None), "why": str(error)}
        popen.returncode = 0  # for Popen it is over: nobody but us may wait for it
        child.pid, child.outputs = popen.pid, fds[2:]
        del fds[2:]
        self.children[id] = child
        return {"pid": popen.pid}

    # -- clients ---------------------------------------------------------------
    def accept(self) -> None:
        """Take who knocks."""
        with suppress(OSError):
            connection, _ = self.listener.accept()
            connection.settimeout(SLOW)
            client = Client(connection)
            self.clients.add(client)
            self.guard(client, self.let_in, client)

    def let_in(self, client: Client) -> None:
        """Listen to who is of our user; a quarter of the descriptors is for other things than clients."""
        if client.user != os.geteuid():
            raise Refused("it belongs to somebody else")
        if client.connection.fileno() >= _LIMITS[1] * 3 // 4:
            raise Refused("it has no descriptors left")
        self.watch(client.connection, lambda: self.guard(client, self.hear, client))

    def guard(self, client: Client, action: Callable[..., None], *args: object) -> None:
        """Do *action*: whatever is wrong with one client harms no other, nor what is held."""
        try:
            action(*args)
        except Exception as error:
            with suppress(OSError):  # the disk may be full, the client gone
                if not isinstance(error, (OSError, Refused, ValueError, LookupError, TypeError, AttributeError)):
                    sys.excepthook(type(error), error, error.__traceback__)
            with suppress(OSError):
                client.send({"refused": str(error), "processman": PROTOCOL})
            self.drop(client)

    def hear(self, client: Client) -> None:
        """Take what *client* says."""
        messages = client.receive()
        if messages is None and client.foreign:
            self.selector.unregister(client.connection)
        elif messages is None:
            self.drop(client)
        for message in messages or ():
            if client in self.clients:
                self.obey(client, message)

    def obey(self, client: Client, message: Message) -> None:
        """Do what one message asks for."""
        if message.get("end"):  # the one word that every version understands
            self.end()
        elif client.id is not None:
            if "spawn" in message:
                self.spawn(client, message["spawn"])
            elif message.get("adopt"):
                child = self.children[client.id]
                client.send({"pid": child.pid, "exit": child.exit}, child.outputs)
            elif message.get("reap"):
                self.reap(client.id)
        elif not client.lease:
            self.greet(client, message)
        elif "note" in message and client is self.owner:
            self.notes[message["id"]] = message["note"]
            if not message["note"]:
                del self.notes[message["id"]]

    def greet(self, client: Client, hello: Message) -> None:
        """Make of a new client what it wants to be."""
        if hello["processman"] != PROTOCOL:
            raise Refused(f"this keeper speaks version {PROTOCOL}")
        if "key" in hello:
            if self.owner is None or hello["key"] != self.key:
                raise Refused("somebody else has control")
            if self.way_to(str(hello["id"])) is not None:
                raise Refused("there is a way to it already")
            client.id = str(hello["id"])
        elif hello.get("who"):
            client.send({"leases": self.leases(), "owner": self.owner and self.owner.pid})
        elif self.refuses():
            raise Refused("it was told to end")
        elif self.kill_at is None:  # else our end is the answer: then the client may begin another keeper
            self.take_lease(client, hello)

    def take_lease(self, client: Client, hello: Message) -> None:
        """Let *client*, or the process that it names, hold a lease."""
        generation, pid = hello.get("control"), hello.get("pid")
        linger = _seconds(hello["linger"])
        client.generation = None if generation is None else float(generation)
        client.pidfd = _pidfd(client.pid if pid is None else int(pid))
        client.foreign = pid is not None
        if client.pidfd >= 0:  # a forked copy of the client would keep the connection open
            self.watch(client.pidfd, lambda: self.drop(client))
        elif client.foreign:
            raise Refused(f"there is no process {pid} that can be watched")
        client.lease, client.counts = True, bool(hello.get("counts", True))
        if client.foreign:
            client.pid = int(hello["pid"])
            for other in [each for each in self.clients if each.foreign and each.pid == client.pid]:
                if other is not client:  # whoever leads next for that process asks for its lease again
                    self.drop(other)
        if client.counts:
            self.heed(hello.get("supervisor"))
            self.linger, self.deadline = linger, None
        client.send({"processman": PROTOCOL, "pid": os.getpid(), "instance": self.instance,
                     "led": self.owner is not None})

    def heed(self, supervisor: int | None = None) -> None:
        """Linger only while *supervisor* lives; without one, which is its end, no more."""
        if self.supervisor >= 0:
            self.selector.unregister(self.supervisor)
            os.close(self.supervisor)
        self.supervisor = _pidfd(supervisor or 0)
        if self.supervisor >= 0:
            self.watch(self.supervisor, self.heed)
        self.linger, self.deadline = 0.0, self.deadline and time.monotonic()

    def drop(self, client: Client) -> None:
        """Let go of a client; what it led goes to the next."""
        if client not in self.clients:
            return
        self.clients.discard(client)
        for each in (client.connection, client.pidfd):
            with suppress(KeyError, ValueError):
                self.selector.unregister(each)
        client.close()
        if client is self.owner:
            self.owner = self.key = None
            for way in [other for other in self.clients if other.id is not None]:
                self.drop(way)
        if client.lease and client.counts and not self.leases() and self.kill_at is None:
            self.deadline = time.monotonic() + (self.linger if self.children else 0.0)

    def grant(self) -> None:
        """Give control to the newest of those who wait, when nobody has it."""
        while self.owner is None and (waiting := [
            (client.generation, id(client), client) for client in self.clients
            if client.lease and client.generation is not None
        ]):
            self.owner = owner = max(waiting)[2]
            self.key = os.urandom(16).hex()
            children = {id: child.pid for id, child in self.children.items()}
            self.guard(owner, owner.send, {"granted": {"key": self.key, "children": children, "notes": self.notes}})


def _seconds(value: Any) -> float:
    if not 0 <= float(value) <= LONGEST:
        raise Refused("a time is too long, or none")
    return float(value)


def _exit_of(pid: int) -> Message | None:
    """Return how *pid* ended, and leave it a zombie where the system can do that; ``None`` while it runs."""
    if not hasattr(os, "waitid"):
        done, status = os.waitpid(pid, os.WNOHANG)
        return {"status": os.waitstatus_to_exitcode(status)} if done else None
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return found and {"status": found.si_status if found.si_code == os.CLD_EXITED else -found.si_status}


def _stat(pid: int | str) -> list[bytes]:
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def _table() -> dict[int, tuple[int, int, bool]]:
    """Return every process: its parent, its start, and whether it lives."""
    table = {}
    for name in filter(str.isdigit, os.listdir("/proc") if _LINUX else ()):
        with suppress(OSError):
            state, parent, *rest = _stat(name)
            # a zombie with threads: only the first of them is over
            table[int(name)] = int(parent), int(rest[17]), state != b"Z" or int(rest[15]) > 1
    return table


def _descendants() -> list[tuple[int, int]]:
    """Return who lives below us, each with its start. All of it is: we are the reaper of what is orphaned."""
    table, parents = _table(), {os.getpid()}
    found: list[tuple[int, int]] = []
    while parents:
        below = {pid: start for pid, (parent, start, lives) in table.items() if parent in parents and lives}
        found += below.items()
        parents = set(below)
    return found


def _signal(pid: int, start: int, *numbers: int) -> None:
    """Signal *pid* if it is still the one that began at *start*."""
    fd = _pidfd(pid)
    with suppress(OSError):  # over, or not ours to signal: it is looked at again
        if int(_stat(pid)[19]) == start:
            for number in numbers:
                signal.pidfd_send_signal(fd, number) if fd >= 0 else os.kill(pid, number)
    if fd >= 0:
        os.close(fd)


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return -1


def _peer(connection: socket.socket) -> tuple[int, int]:
    """Return the pid and user of who is connected; where that cannot be told the directory keeps others out."""
    if not hasattr(socket, "SO_PEERCRED"):
        return 0, os.geteuid()
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, user, _ = _CREDENTIALS.unpack(data)
    return pid, user


def _become_child(keeper: int) -> None:
    """Run in the child, before it becomes the program: it gets the host's limit, and ends with us."""
    resource.setrlimit(resource.RLIMIT_NOFILE, _LIMITS)
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != keeper:  # which was killed just before
            os._exit(1)


def _nothing(*_: object) -> None:
    """Handle a signal: what is ignored children would inherit, what is handled they do not."""


def main(path: str, listener: str, ledger: str, instance: str) -> None:
    """Hold what the clients of *listener* give, until the last lease is over."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with suppress(OSError, ValueError):
            signal.signal(number, _nothing if number in _UNHEARD else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if os.fork():  # nobody's child, so that nobody has to reap us
        os._exit(0)
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with suppress(OSError, ValueError):  # macOS knows of no such number
        resource.setrlimit(resource.RLIMIT_NOFILE, (_LIMITS[1], _LIMITS[1]))
    Keeper(socket.socket(fileno=int(listener)), instance).run()
    files = [each for each in glob.glob(glob.escape(path[:-4]) + "*") if not each.endswith((".lock", ".sock"))]
    if not _descendants():  # else who comes next finds by it what even force could not end
        files.append(ledger)
    for each in [*files, path]:  # the path last: without it another keeper may begin
        with suppress(OSError):
            os.unlink(each)


if __name__ == "__main__":
    main(*sys.argv[1:])
