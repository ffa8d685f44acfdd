"""A manager that serves its dashboard, and browsers to look at it."""
from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest
from dashboard.page import Page, browser

from processman import Manager, ProcessConfig
from processman.wsgi import bearer, create_app
from processman.wsgi.server import Server

TOKEN = "a-token-of-enough-bytes"
#: waits, and says what it is told by its arguments
SAYS = "import sys, time\nfor line in sys.argv[1:]: print(line, flush=True)\ntime.sleep(600)"

Serve = Callable[..., str]


def says(id: str, *lines: str, code: str = SAYS, **more: Any) -> ProcessConfig:
    """Configure a process that prints *lines* and waits."""
    return ProcessConfig(id=id, command=sys.executable, args=("-c", code, *lines), **{"stop_timeout": "2s"} | more)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def serve(manager: Manager, stack: ExitStack) -> Serve:
    """Serve the started manager; return the address of its page."""
    def serve(*processes: ProcessConfig, auth: Any = None, around: Callable[[Any], Any] = lambda app: app) -> str:
        for process in processes:
            manager.register(process)
        manager.start()
        stack.callback(manager.stop)
        app = around(create_app(manager, auth=auth or bearer(TOKEN)))
        server = stack.enter_context(Server("127.0.0.1", 0, app))
        return f"http://127.0.0.1:{server.port}/"

    return serve


@pytest.fixture
def look(tmp_path: Path, stack: ExitStack) -> Callable[..., Page]:
    """Open a page in a browser of its own, with the token of the API unless told otherwise."""
    count = iter(range(100))

    def look(address: str, *, token: str = TOKEN, **options: Any) -> Page:
        made: AbstractContextManager[Page] = browser(tmp_path / f"browser-{next(count)}", **options)
        page = stack.enter_context(made)
        page.open(address)
        if token:
            page.type("#pm-token", token, "\n")
            page.find(".live[data-connection=live]")
        return page

    return look
