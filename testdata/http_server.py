"""Serve GET /, /health and /env/NAME as JSON; the port comes from --port or PORT, 0: the system chooses."""
import argparse
import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/":
            self.answer(200, {"message": "Hello from Python", "pid": os.getpid()})
        elif self.path == "/health":
            self.answer(200, {"status": "ok"})
        elif self.path.startswith("/env/"):
            self.answer(200, {"value": os.environ.get(self.path.removeprefix("/env/"))})
        else:
            self.answer(404, {"error": "not found"})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, template, *values):
        print(template % values, flush=True)


def leave(*_):
    print("shutting down", flush=True)
    sys.exit(0)


def serve(handler, about):
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "0")))
    signal.signal(signal.SIGTERM, leave)
    with ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), handler) as server:
        server.daemon_threads = True
        print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    serve(Handler, __doc__)
