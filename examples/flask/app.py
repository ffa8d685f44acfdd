"""A Flask application with one process beside it; its page shows what that printed last."""
import os

from flask import Flask, request

from processman import ProcessmanError
from processman.contrib.flask import Processman
from processman.wsgi import bearer

app = Flask(__name__)
token = os.environ.get("PM_TOKEN")  # commands such as `flask processman ls` need none
tokens = bearer(token) if token else lambda _: None
Processman(app, auth=lambda: tokens(request.environ))


@app.get("/")
def home():
    try:
        lines = app.extensions["processman"].logs("clock", lines=1)
    except ProcessmanError as error:  # the lead may be changing hands: the page goes on without it
        return {"clock": str(error)}
    return {"clock": lines[0].content if lines else "not wound up yet"}
