"""``processman pocketbase run -- pocketbase serve …``: PocketBase and its processes, in the foreground."""
from __future__ import annotations

from argparse import Namespace

from ..events import Event
from ..pocketbase.first import Engine, First
from ..pocketbase.serving import Serving
from . import FAILED, USAGE, Failure, console, up


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
    manager = up.manager(arguments, engine, idle=True)
    first = First(manager, serving)

    def hear(event: Event) -> None:
        if not first.hear(event):  # why all of it ends is said at the end
            console.tell(event)

    code = up.run(
        arguments, manager, begin=first.begin, stop=first.stop, hear=hear, reveal=engine.link.show
    )
    if first.failure:
        raise Failure(f"cannot run PocketBase: {first.failure}", USAGE if first.misconfigured else FAILED)
    return code
