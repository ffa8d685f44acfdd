"""A small AI agent: it answers like an OpenAI server, word by word when asked to stream, and needs no key.

It listens on the port it is given, or on a free one where that is taken; its first line says which.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = os.environ.get("MODEL", "mock-gpt")
ANSWER = "I am a mock, run by processman. You asked: {question}"


def words(question: str) -> Iterator[str]:
    """Yield the answer as a model would, one word at a time."""
    for word in ANSWER.format(question=question).split(" "):
        time.sleep(0.05)
        yield word + " "


def completion(kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    """Wrap one *choice* as the OpenAI API does."""
    choices = [{"index": 0, **choice}]
    return {"id": "mock", "object": kind, "created": int(time.time()), "model": MODEL, "choices": choices}


class Handler(BaseHTTPRequestHandler):
    """The three routes of the agent."""

    def do_GET(self) -> None:
        """Answer /health and /v1/models."""
        if self.path == "/health":
            self.answer(200, {"status": "ok"})
        elif self.path == "/v1/models":
            self.answer(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        else:
            self.answer(404, {"error": {"message": "no such route"}})

    def do_POST(self) -> None:
        """Answer /v1/chat/completions, whole or streamed."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path != "/v1/chat/completions":
            return self.answer(404, {"error": {"message": "no such route"}})
        try:
            asked = json.loads(body)
            question = str(asked["messages"][-1]["content"])
            stream = bool(asked.get("stream"))
        except (ValueError, LookupError, TypeError, AttributeError):
            return self.answer(400, {"error": {"message": "send an object with messages"}})
        print(f"asked: {question}", flush=True)
        return self.stream(question) if stream else self.whole(question)

    def whole(self, question: str) -> None:
        """Send the answer at once."""
        message = {"role": "assistant", "content": "".join(words(question)).strip()}
        self.answer(200, completion("chat.completion", {"message": message, "finish_reason": "stop"}))

    def stream(self, question: str) -> None:
        """Send the answer word by word, as server-sent events."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # who asked went away
            for word in words(question):
                self.event({"delta": {"content": word}, "finish_reason": None})
            self.event({"delta": {}, "finish_reason": "stop"})
            self.wfile.write(b"data: [DONE]\n\n")

    def event(self, choice: dict[str, Any]) -> None:
        """Send one event."""
        data = json.dumps(completion("chat.completion.chunk", choice))
        self.wfile.write(f"data: {data}\n\n".encode())
        self.wfile.flush()

    def answer(self, status: int, body: dict[str, Any]) -> None:
        """Send *body* as JSON."""
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Keep quiet: what was asked is printed instead."""


class Server(ThreadingHTTPServer):
    """A server whose open requests do not hold up its end."""

    daemon_threads = True


def listen(port: int) -> Server:
    """Listen on *port*, or on a free one where that is taken."""
    try:
        return Server(("127.0.0.1", port), Handler)
    except OSError as error:
        print(f"port {port}: {error.strerror}; taking a free one", file=sys.stderr, flush=True)
        return Server(("127.0.0.1", 0), Handler)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with listen(parser.parse_args().port) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
