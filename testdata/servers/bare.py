"""A WSGI application of no framework."""
import os

from pages import OPTIONS, TOKEN, WORKER, page

from processman import Config, Manager
from processman.middleware import mount
from processman.wsgi import bearer


def pages(environ, start_response):
    """Serve the pages."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [page(environ["PATH_INFO"]).encode()]


mounted = mount(pages, Manager(Config(**OPTIONS)), auth=bearer(TOKEN))


def application(environ, start_response):
    """Say in each answer who gave it."""
    def start(status, headers, *more):
        return start_response(status, [*headers, (WORKER, str(os.getpid()))], *more)

    return mounted(environ, start)
