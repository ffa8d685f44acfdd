"""What an application might have beside it."""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from processman import ProcessConfig
from processman.config import NAMES

AGENT = """
import sys, time
green, cyan, yellow, end = "\\x1b[32m", "\\x1b[36m", "\\x1b[33m", "\\x1b[0m"
print(f"{green}INFO{end}  model loaded in \\x1b[1m812 ms{end}")
print(f"{green}INFO{end}  listening on http://127.0.0.1:8001")
for n in range(1, 40):
    time.sleep(0.02)
    took = f"{97 * n % 891 + 42} ms"
    print(f"{green}INFO{end}  {cyan}POST{end} /v1/chat {green}200{end} {took}  request={n:05d}", flush=True)
    if n % 9 == 0:
        print(f"{yellow}WARN{end}  slow upstream: trying again in 0.{n} s", flush=True)
    if n % 13 == 0:
        for line in ("Traceback (most recent call last):", '  File "agent.py", line 42, in answer',
                     "TimeoutError: upstream took longer than 10 s"):
            print(line, file=sys.stderr, flush=True)
print("done", flush=True)
time.sleep(600)
"""


def processes(folder: Path) -> list[ProcessConfig]:
    """Return what an application might have beside it."""
    return [ProcessConfig(**{NAMES[key]: value for key, value in each.items()}) for each in described(folder)]


def described(folder: Path) -> list[dict[str, Any]]:
    """Return the same as the file has it."""
    (folder / "agent.py").write_text(AGENT)
    (folder / "serve.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(600)\n")
    for name, code in {"mail.py": 1, "migrate.py": 0, "tunnel.py": 3}.items():
        (folder / name).write_text(f"raise SystemExit({code})")

    def script(id: str, name: str, *args: str, **more: Any) -> dict[str, Any]:
        options: dict[str, Any] = {"cwd": str(folder), "interpreter": sys.executable, "stopTimeout": "2s"}
        return {"id": id, "script": name, "args": list(args), **options, **more}

    return [
        script("ai-agent", "agent.py", "--model", "gpt-4o", env={"OPENAI_API_KEY": "a-secret", "LOG": "info"}),
        script("embeddings", "serve.py", "--batch", "64"),
        script("worker-default", "serve.py", "--queue", "default"),
        script("worker-mail", "mail.py", "--queue", "mail", backoff="30s"),
        script("vector-store", "serve.py", "--port", "6333"),
        script("migrate", "migrate.py", restart="on-failure"),
        script("tunnel", "tunnel.py", "--to", "staging", maxRetries=0),
        script("nightly-report", "serve.py", autostart=False),
        script("frontend", "serve.py", "--watch"),
    ]
