"""A Flask application with one process beside it; its page shows what that printed last."""
import os

from flask import Flask, request

from processman.contrib.flask import Processman
from processman.wsgi import bearer

app = Flask(__name__)
tokens = bearer(os.environ["PM_TOKEN"])
Processman(app, auth=lambda: tokens(request.environ))


@app.get("/")
def home():
    lines = app.extensions["processman"].logs("clock", lines=1)
    return {"clock": lines[0].content if lines else "not wound up yet"}
