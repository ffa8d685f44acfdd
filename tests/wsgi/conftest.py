"""A fake manager, and clients for applications and servers."""
from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import waitress.wasyncore
import werkzeug.serving
from werkzeug.test import Client, TestResponse
from wsgi.api import START, TOKEN, Asker, FakeManager, Serve

from processman.wsgi import bearer, create_app


@pytest.fixture
def fake() -> FakeManager:
    made = FakeManager()
    made.add("web", pid=7, start_time=START, uptime=1.0, run=1)
    return made


@pytest.fixture
def ask(fake: FakeManager) -> Callable[..., TestResponse]:
    """Ask an application that lets everybody in and serves *fake*."""
    app = create_app(fake, auth=lambda environ: True)

    def ask(path: str, method: str = "GET", **more: Any) -> TestResponse:
        return Client(app).open(path, method=method, **more)

    return ask


@contextmanager
def _werkzeug(app: Any) -> Iterator[int]:
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = False  # its close waits for them
    server.block_on_close = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _waitress(app: Any) -> Iterator[int]:
    server = waitress.create_server(app, host="127.0.0.1", port=0, threads=4)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.effective_port
    finally:
        with suppress(OSError):  # a loop that is awake ends, and closes the trigger, before it is pulled
            server.trigger.pull_trigger(lambda: waitress.wasyncore.close_all(server._map))
        thread.join()
        server.task_dispatcher.shutdown()


@pytest.fixture(params=[_werkzeug, _waitress], ids=["werkzeug", "waitress"])
def serve(request: pytest.FixtureRequest) -> Serve:
    """Serve an application with one of two servers; gives what asks it over a real connection."""

    @contextmanager
    def serve(manager_or_app: Any, **options: Any) -> Iterator[Asker]:
        app = manager_or_app
        if not callable(app):
            app = create_app(app, **{"auth": bearer(TOKEN)} | options)
        with request.param(app) as port:
            yield Asker(port)

    return serve


@pytest.fixture(autouse=True)
def quiet_servers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "processman")
