"""Every example in README.md, its translation and docs/ runs, and what stands below it is what it prints.

In a fenced block ``…`` stands for anything, a number for any number, and ``/app`` for where it runs. What is
run, by the language of the block:

``python``   in a directory of its own; a ``text`` block right behind it is its output, ``^C`` a signal to end
``json``     a list of processes goes through the loader; anything else has to be JSON
``console``  ``$`` lines are typed beside a running quickstart, the rest is what they print
``http``     is asked of the same quickstart: a request, a blank line, the status, the JSON
``text``     below ``<!-- example: up -->``: lines that ``processman up`` prints
"""
from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support import ROOT, require, until

from processman.config import KEYS
from processman.loader import load

DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "README.zh.md", "CHANGELOG.md")), *sorted((ROOT / "docs").glob("*.md")),
]
_FENCE = re.compile(r"^(?:<!-- \w+: (?P<name>[\w-]+) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
_OUTPUT = re.compile(r"\n+(?:[^`<#|\n][^\n]*[:\uff1a]\n+)?```text\n(.*?)^```$", re.M | re.S)
#: a console line, perhaps continued, and what stands below it
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*\n)((?:(?!\$ ).*\n)*)", re.M)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")

AGENT = "import time\nprint('Hello World', flush=True)\ntime.sleep(600)\n"
#: what every python example finds beside it
FILES = {
    "agent.py": AGENT,
    "agents/agent.py": AGENT,
    "mysite/settings.py":
        "BASE_DIR = '.'\nSECRET_KEY = 'x'\nROOT_URLCONF = 'mysite.urls'\nALLOWED_HOSTS = ['localhost']\n",
    "mysite/urls.py": "urlpatterns = []\n",
}
#: what is asked of the examples that mount the API: the application, and what it answers at /
MOUNTED = {"flask": ("app", 404), "django": ("application", 404), "wsgi": ("application", 200)}
ASK = """
from werkzeug.test import Client
client, sent = Client({app}), {{"Authorization": "Bearer " + os.environ["PM_TOKEN"]}}
assert client.get("/").status_code == {status}
assert client.get("/api/pm/list").status_code == 401
answer = client.get("/api/pm/list", headers=sent)
assert (answer.status_code, answer.json) == (200, [])
assert client.post("/api/pm/nobody/stop", headers=sent).json["message"] == "Process not found."
"""


@dataclass(frozen=True)
class Example:
    """One fenced block."""

    document: Path
    line: int
    name: str
    language: str
    text: str
    #: the ``text`` block right behind it
    output: str = ""

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line}"


def examples(document: Path) -> Iterator[Example]:
    """Yield the fenced blocks of *document*."""
    text = document.read_text()
    for match in _FENCE.finditer(text):
        output = _OUTPUT.match(text, match.end())
        line = text.count("\n", 0, match.start("language")) + 1
        name, language = match["name"] or "", match["language"]
        yield Example(document, line, name, language, match["text"], output[1] if output else "")


EXAMPLES = [example for document in DOCUMENTS for example in examples(document)]


def of(*languages: str) -> list[Example]:
    return [example for example in EXAMPLES if example.language in languages]


def plain(text: str, directory: Path) -> str:
    """Return *text* without what differs from run to run."""
    text = _NUMBER.sub("0", text.replace(str(directory), "/app"))
    return "\n".join(" ".join(line.split()) for line in text.strip().split("\n"))


def fits(shown: str, real: str, directory: Path) -> bool:
    """Tell whether *real* is what the documentation shows."""
    return bool(re.fullmatch(re.escape(plain(shown, directory)).replace("…", ".*?"), plain(real, directory), re.S))


def same(shown: object, real: object, directory: Path) -> bool:
    """Tell whether the JSON *real* is what the documentation shows; numbers may differ."""
    if shown == "…":
        return True
    if isinstance(shown, dict) and isinstance(real, dict):
        return list(shown) == list(real) and all(same(shown[key], real[key], directory) for key in shown)
    if isinstance(shown, list) and isinstance(real, list):
        if shown[-1:] == ["…"]:
            shown, real = shown[:-1], real[:len(shown) - 1]
        return len(shown) == len(real) and all(map(lambda a, b: same(a, b, directory), shown, real))
    if isinstance(shown, str) and isinstance(real, str):
        return fits(shown, real, directory)
    return type(shown) is type(real) and (shown == real or type(shown) is int)


def variables(directory: Path) -> dict[str, str]:
    path = f"{directory / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    own = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PM_TOKEN": "a-token-for-tests", "API_KEY": "s3cret"}
    return {**os.environ, "PATH": path, "NO_COLOR": "1", **own}


@contextmanager
def started(line: list[str | Path], directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run *line* in *directory*, and ask it to end afterwards."""
    with (directory / "out").open("w") as out:
        process = subprocess.Popen(line, cwd=directory, env=variables(directory), stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=subprocess.STDOUT)  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(15)


def printed(directory: Path) -> str:
    return (directory / "out").read_text()


@pytest.mark.parametrize("example", of("python"), ids=str)
def test_python_example_runs(example: Example, tmp_path: Path) -> None:
    app, status = MOUNTED.get(example.name, ("", 0))
    code = example.text + (ASK.format(app=app, status=status) if app else "")
    for name, content in {**FILES, "example.py": code}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    before, _, after = example.output.partition("^C\n")
    with started([sys.executable, "example.py"], tmp_path) as process:
        until(lambda: process.poll() is not None
              or (".run()" in code and fits(before, printed(tmp_path), tmp_path)), 15)  # fmt: skip
    assert process.returncode == 0, printed(tmp_path)
    assert fits(before + after, printed(tmp_path), tmp_path) or not example.output, printed(tmp_path)


@pytest.mark.parametrize("example", of("json"), ids=str)
def test_json_example_is_valid(example: Example, tmp_path: Path) -> None:
    value = json.loads(example.text)
    if isinstance(value, list) and "cwd" in value[0]:
        path = tmp_path / "pb_processes.json"
        path.write_text(example.text)
        assert [process.id for process in load(path, data_dir=tmp_path)] == [entry["id"] for entry in value]


@contextmanager
def quickstart(directory: Path) -> Iterator[str]:
    """Run a copy of the quickstart whose worker crashes once, early; yield the address of its API."""
    home, command = directory / "examples" / "quickstart", directory / ".venv" / "bin" / "processman"
    ignored = shutil.ignore_patterns(".processman", "__pycache__")
    shutil.copytree(ROOT / "examples" / "quickstart", home, ignore=ignored)
    worker, crash = home / "worker" / "worker.py", 'os.environ["PROCESSMAN_RUN"] == "1"'
    text = worker.read_text().replace("random.randrange(8) == 0", crash)
    worker.write_text(text.replace("time.sleep(1)", "time.sleep(0.1)"))
    file = home / "pb_processes.json"
    file.write_text(file.read_text().replace('"8765"', '"0"'))
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m processman "$@"\n')
    command.chmod(0o755)
    line = [command, "up", "--dir", "examples/quickstart", "--http", "127.0.0.1:0"]
    with started(line, directory) as process:
        until(lambda: process.poll() is not None
              or all(words in printed(directory) for words in ("run 2", "edit me", "listening")))  # fmt: skip
        yield json.loads((home / ".processman" / "state.json").read_text())["address"]
    assert process.returncode == 0, printed(directory)


def type_in(example: Example, directory: Path, address: str) -> None:
    for command, shown in _COMMAND.findall(example.text):
        typed = command.replace("http://127.0.0.1:8091/api/pm", address)
        done = subprocess.run(["bash", "-c", typed], cwd=directory, env=variables(directory), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)  # fmt: skip
        assert fits(shown, done.stdout, directory), f"{example}: {command}{done.stdout}"


def ask(example: Example, directory: Path, address: str) -> None:
    head, _, answer = example.text.partition("\n\n")
    request, *headers = head.split("\n")
    status, _, body = answer.partition("\n")
    token = (directory / "examples/quickstart/.processman/token").read_text().strip()
    sent = {"Authorization": f"Bearer {token}"} | dict(header.split(": ") for header in headers)
    with closing(http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)) as connection:
        connection.request(*request.split(), headers=sent)
        response = connection.getresponse()
        real = response.read().decode()
    assert str(response.status) == status, f"{example}: {real}"
    assert same(json.loads(body), json.loads(real), directory), f"{example}: {real}"


@pytest.mark.parametrize("document", sorted({e.document for e in of("console", "http")}), ids=lambda p: p.name)
def test_typed_and_asked_examples_answer_as_shown(document: Path, tmp_path: Path) -> None:
    require("curl")
    with quickstart(tmp_path) as address:
        for example in examples(document):
            if example.language == "console":
                type_in(example, tmp_path, address)
            elif example.language == "http":
                ask(example, tmp_path, address)
            elif example.language == "text" and example.name == "up":
                shown = set(plain(example.text, tmp_path).split("\n"))
                until(lambda: shown <= set(plain(printed(tmp_path), tmp_path).split("\n")), what=str(shown))  # noqa: B023


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", document.read_text()):
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        assert not anchor or anchor in titles(target), link


def titles(document: Path) -> list[str]:
    return [re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
            for line in document.read_text().splitlines() if line.startswith("#")]


@pytest.mark.parametrize("name", ["README.md", "README.zh.md", "docs/configuration.md"])
def test_every_key_has_its_row(name: str) -> None:
    rows = re.findall(r"^\| (`[^|]+)\|", (ROOT / name).read_text(), re.M)
    assert set(KEYS.values()) <= set(re.findall(r"`(\w+)`", " ".join(rows)))


def test_no_language_is_left_out() -> None:
    assert {example.language for example in EXAMPLES} == {"python", "json", "console", "http", "text", "sh", "go"}


def test_architecture_names_every_module() -> None:
    named = set(re.findall(r"\w+", (ROOT / "docs" / "architecture.md").read_text()))
    folders = (ROOT / "processman" / name for name in ("", "wsgi", "pocketbase"))
    modules = {path.stem for folder in folders for path in folder.iterdir() if not path.name.startswith("_")}
    assert modules - {"py", "hook.pb.js"} <= named


def locks(path: Path) -> Iterator[str]:
    """Yield the locks that a module makes, each with its class, or with the module where it has none."""
    owner = path.stem
    for match in re.finditer(r"^class (\w+)|(\w+) = threading\.(?:R?Lock|Condition)\(", path.read_text(), re.M):
        if match[1]:
            owner = match[1]
        else:
            yield f"{owner}.{match[2]}"


def test_architecture_names_every_lock() -> None:
    rows = re.findall(r"^\| `(\w+\.\w+)` \|", (ROOT / "docs" / "architecture.md").read_text(), re.M)
    sources = (path for path in (ROOT / "processman").rglob("*.py") if path.name != "testing.py")
    made = {lock for path in sources for lock in locks(path)}
    assert made == set(rows) - {"Output._readers"}
