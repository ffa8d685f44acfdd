"""Where this process stands in its host: whether anything may start here, lead here, or only in its workers.

Rules are functions that say in words why not, or nothing. What belongs to a framework or a server is only looked
at where that is loaded already, and the stack tells what the main thread is busy with.
"""
from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

#: who has one of these on the stack serves nobody
_BUSY = {
    "_pytest": "pytest is running",
    "unittest": "unittest is running",
    "django.test": "Django's tests are running",
    "click.shell_completion": "a command line is being completed",
}
_SWITCH = {"0": "PROCESSMAN_AUTOSTART is 0", "1": ""}
_RELOADER = "this is the reloader, and its child serves"
#: seconds between two looks at a process, where the system does not tell of its end
_LOOK = 0.5
_waiting: list[Callable[[], object]] = []


def refusal() -> str:
    """Say why nothing is to be started in this process, so that it completes "not started: …"; "" to start."""
    if switch := os.environ.get("PROCESSMAN_AUTOSTART"):
        return _SWITCH.get(switch, "PROCESSMAN_AUTOSTART is neither 0 nor 1")
    if _is_reloaded():
        return ""
    return _flask() or _django() or next((why for package, why in _BUSY.items() if _runs(package)), "")


def defers() -> bool:
    """Whether this process only loads the application, and forks workers that serve it."""
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None:
        return bool(uwsgi.worker_id() == 0)
    return _runs("gunicorn.arbiter") and not _runs("gunicorn.workers")


def supervisor() -> int | None:
    """Return the pid of what starts the next process when this one ends: a supervisor of workers, a reloader."""
    uwsgi, forked = sys.modules.get("uwsgi"), sys.modules.get("multiprocessing.process")
    if uwsgi is not None:
        return int(uwsgi.masterpid()) or None
    if forked is not None and (parent := forked.parent_process()) is not None:  # uvicorn's workers, and hypercorn's
        return int(parent.pid)
    supervised = _is_reloaded() or not sys.modules.keys().isdisjoint({"gunicorn.arbiter", "mod_wsgi"})
    return os.getppid() if supervised else None


def has_keeper() -> bool:
    """Whether a keeper can hold processes here: Linux, and macOS, where what is daemonised may escape it."""
    return sys.platform in ("linux", "darwin")


def lives(pid: int) -> bool:
    """Whether process *pid* lives; a zombie does not."""
    return not wait_for_end(pid, 0.0)


def wait_for_end(pid: int, timeout: float | None = None) -> bool:
    """Wait until process *pid*, of anybody, is over. ``False``: *timeout* seconds are."""
    if sys.platform == "linux":
        return _wait_for_pidfd(pid, timeout)
    deadline = None if timeout is None else time.monotonic() + timeout
    while _is_there(pid):
        if deadline is not None and time.monotonic() >= deadline:
            return False
        threading.Event().wait(_LOOK)
    return True


def has_threads() -> bool:
    """Whether threads run here at all."""
    return bool(getattr(sys.modules.get("uwsgi"), "has_threads", True))


def cannot_lead() -> str:
    """Say why no manager can work in this process, whose threads are none; "" where one can."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        return "gevent has replaced the threads"
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return "eventlet has replaced the threads"
    if not has_threads():
        return "uWSGI runs without threads: it needs --enable-threads"
    return ""


def after_fork(callback: Callable[[], object]) -> None:
    """Call *callback* in every worker forked from here, in its main thread, once it has the user it serves as."""
    if not _waiting:
        os.register_at_fork(after_in_child=_follow_gunicorn)
        _follow_uwsgi()
    _waiting.append(callback)


def _wait_for_pidfd(pid: int, timeout: float | None) -> bool:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))
    finally:
        os.close(fd)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


# -- rules -----------------------------------------------------------------------
def _is_reloaded() -> bool:
    return "true" in (os.environ.get("WERKZEUG_RUN_MAIN"), os.environ.get("RUN_MAIN"))


def _flask() -> str:
    cli, click = sys.modules.get("flask.cli"), sys.modules.get("click")
    context = click.get_current_context(silent=True) if cli is not None and click is not None else None
    if cli is None or context is None or context.find_object(cli.ScriptInfo) is None:
        return ""
    if context.info_name != "run":
        return _no_server(context.command_path)
    reload = context.params.get("reload")
    return _RELOADER if (cli.get_debug_flag() if reload is None else reload) else ""


def _django() -> str:
    for frame in _frames():
        if frame.f_code.co_name == "execute_from_command_line" and _module(frame) == "django.core.management":
            return _django_command(frame.f_locals.get("argv") or sys.argv)
    return ""


def _django_command(argv: Sequence[str]) -> str:
    command = argv[1] if len(argv) > 1 else "help"
    if command != "runserver":
        return _no_server(f"manage.py {command}")
    return "" if "--noreload" in argv else _RELOADER


def _no_server(command: str) -> str:
    return f"the command {command!r} serves nobody"


# -- the stack -------------------------------------------------------------------
def _runs(package: str) -> bool:
    return any(f"{_module(frame)}.".startswith(f"{package}.") for frame in _frames())


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _frames() -> Iterator[FrameType]:
    """Yield the frames of this thread, then those of the main thread."""
    main = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001 - documented like this
    for top in (sys._getframe(), main):  # noqa: SLF001 - documented like this
        frame: FrameType | None = top
        while frame is not None:
            yield frame
            frame = frame.f_back


# -- workers ---------------------------------------------------------------------
def _go_on() -> None:
    for callback in _waiting:
        callback()


def _follow_gunicorn() -> None:
    """Right after a fork: in a worker of gunicorn's, go on when it has changed its user."""
    frame = sys._getframe().f_back  # noqa: SLF001 - documented like this
    if frame is None or _module(frame) != "gunicorn.arbiter" or "worker" not in frame.f_locals:
        return
    config = frame.f_locals["worker"].cfg
    former = config.post_worker_init

    def begin(worker: object) -> None:
        former(worker)
        _go_on()

    config.set("post_worker_init", begin)


def _follow_uwsgi() -> None:
    """Chain its hook, for it forks without telling Python; mules and spoolers are called as well."""
    uwsgi: Any = sys.modules.get("uwsgi")
    former = getattr(uwsgi, "post_fork_hook", None)

    def begin() -> None:
        if former is not None:
            former()
        if uwsgi.worker_id() > 0:
            _go_on()

    if uwsgi is not None:
        uwsgi.post_fork_hook = begin
