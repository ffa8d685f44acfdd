"""A Flask application."""
import os

from flask import Flask, request
from pages import OPTIONS, TOKEN, WORKER, page

from processman.contrib.flask import Processman
from processman.wsgi import bearer

app = Flask(__name__)
app.config["PROCESSMAN"] = OPTIONS
tokens = bearer(TOKEN)
Processman(app, auth=lambda: tokens(request.environ))


@app.get("/<path:path>")
def serve(path):
    """Serve the pages."""
    return page(f"/{path}")


@app.after_request
def name(response):
    """Say in each answer who gave it."""
    response.headers[WORKER] = str(os.getpid())
    return response
