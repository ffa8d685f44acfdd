"""``processman pocketbase run -- pocketbase serve …``: PocketBase and its processes, in the foreground."""
from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from functools import cache

from .._version import __version__
from ..bridge import Bridge
from ..config import ProcessConfig
from ..errors import ProcessNotFound
from ..events import Event
from ..manager import Manager
from ..pocketbase.both import Both
from ..pocketbase.first import POCKETBASE, Engine, First, Leader
from ..pocketbase.hookfile import HookFile
from ..pocketbase.lines import Lines, Post, Row
from ..pocketbase.serving import Serving
from . import FAILED, USAGE, Failure, console, token_in, up


def run(arguments: Namespace) -> int:
    """Run until a signal; return the exit code."""
    argv = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
    try:
        serving = Serving.of(argv, arguments.dir)
    except ValueError as error:
        raise Failure(f"cannot run PocketBase: {error}", USAGE) from None
    arguments.dir, arguments.port = serving.data_dir, arguments.port or serving.public_port
    arguments.dir.mkdir(exist_ok=True)  # as PocketBase would
    engine = Engine()
    manager = up.manager(arguments, engine, idle=True, kind=Leader)
    lines = _lines(arguments, manager, serving)
    first = First(manager, serving, farewell=lines.close if lines is not None else bool)

    def hear(event: Event) -> None:
        if lines is not None:
            lines.tell(event)
        if not first.hear(event):  # why all of it ends is said at the end
            console.tell(event)

    code = up.run(
        arguments, manager, begin=first.begin, stop=first.stop, hear=hear, reveal=engine.link.show,
        about={"url": f"http://{serving.at}", "version": __version__},
    )
    if first.failure:
        raise Failure(f"cannot run PocketBase: {first.failure}", USAGE if first.misconfigured else FAILED)
    return code


def _lines(arguments: Namespace, manager: Manager, serving: Serving) -> Lines | None:
    """Let what *manager* tells go into PocketBase's logs, too, where there is a hook to take it in."""
    installed = HookFile(serving.data_dir, hooks=serving.hooks_dir).bridge()
    if installed is None:
        return None
    file = arguments.token_file or arguments.dir / ".processman" / "token"

    @cache
    def post() -> Post:
        return Post(f"http://{serving.at}", token_in(file))

    def send(rows: Sequence[Row]) -> bool:
        return post()(rows)  # made when it is first asked for: before, there may be no token yet

    def mode_of(id: str) -> str:
        if id == POCKETBASE:  # which may print what it is told, to be told it again
            return "none" if installed == "none" else "events"
        with suppress(ProcessNotFound):
            config: ProcessConfig = manager.status(id).config
            return config.bridge_logs or installed
        return installed

    lines = Lines(send, mode_of)
    manager.bridge_to(Both(Bridge(), lines))
    return lines
