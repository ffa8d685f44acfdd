"""A bare WSGI application with one process beside it; it shows what that printed last."""
import os
from pathlib import Path

from processman import Manager, ProcessConfig, ProcessmanError
from processman.middleware import mount
from processman.wsgi import bearer

manager = Manager()
manager.register(ProcessConfig(id="clock", script="clock.py", cwd=Path(__file__).parent))


def page(environ, start_response):
    start_response("200 OK" if environ["PATH_INFO"] == "/" else "404 Not Found", [("Content-Type", "text/plain")])
    try:
        return [f"{line.content}\n".encode() for line in manager.logs("clock", lines=1)]
    except ProcessmanError as error:  # the lead may be changing hands: the page goes on without it
        return [f"{error}\n".encode()]


application = mount(page, manager, "/api/pm", auth=bearer(os.environ["PM_TOKEN"]))
