"""Pretend to be an OpenAI-compatible server: /v1/chat/completions (also streamed), /v1/models, /health.

The port comes from --port or PORT; 0 lets the system choose.
"""
import json
import time

import http_server

MODELS = ("mock-gpt", "mock-gpt-mini")


def reply_to(messages):
    asked = [message["content"] for message in messages if message.get("role") == "user"]
    return f"Mock reply to: {asked[-1]}" if asked else "Mock reply to nothing"


def completion(model, messages):
    reply = reply_to(messages)
    sent = sum(len(str(message.get("content", "")).split()) for message in messages)
    received = len(reply.split())
    return {
        "id": "chatcmpl-mock", "object": "chat.completion", "created": int(time.time()), "model": model,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": reply}, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": sent, "completion_tokens": received, "total_tokens": sent + received},
    }


def chunks(model, messages):
    def chunk(delta, finish=None):
        return {
            "id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": int(time.time()),
            "model": model, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }

    yield chunk({"role": "assistant", "content": ""})
    for number, word in enumerate(reply_to(messages).split(" ")):
        yield chunk({"content": word if number == 0 else " " + word})
    yield chunk({}, "stop")


class Handler(http_server.Handler):
    def do_GET(self):
        if self.path == "/health":
            self.answer(200, {"status": "ok"})
        elif self.path == "/v1/models":
            models = [{"id": name, "object": "model", "owned_by": "mock"} for name in MODELS]
            self.answer(200, {"object": "list", "data": models})
        else:
            self.refuse(404, "unknown path")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path != "/v1/chat/completions":
            return self.refuse(404, "unknown path")
        try:
            asked = json.loads(body)
            model, messages = str(asked.get("model", MODELS[0])), list(asked["messages"])
            reply_to(messages)
        except (ValueError, LookupError, TypeError, AttributeError):
            return self.refuse(400, "a JSON object with messages is needed")
        if asked.get("stream"):
            return self.stream(chunks(model, messages))
        return self.answer(200, completion(model, messages))

    def stream(self, events):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        for event in events:
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
            self.wfile.flush()
        self.wfile.write(b"data: [DONE]\n\n")

    def refuse(self, status, message):
        self.answer(status, {"error": {"message": message, "type": "invalid_request_error"}})


if __name__ == "__main__":
    http_server.serve(Handler, __doc__)
