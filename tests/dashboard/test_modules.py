"""The modules of the dashboard that need no page: run by Node."""
from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
from support import ROOT, require

HERE = ROOT / "processman" / "dashboard"


def node(script: str, *arguments: Any) -> Any:
    """Run *script*, a module, in the folder of the dashboard; return what it logs, as JSON."""
    line = [require("node"), "--input-type=module", "--eval", script, json.dumps(arguments)]
    done = subprocess.run(line, cwd=HERE, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


ASK = "const given = JSON.parse(process.argv[1]);"


def pieces(text: str) -> list[tuple[str, str]]:
    script = f"import {{ pieces }} from './ansi.js'; {ASK} console.log(JSON.stringify(pieces(given[0])))"
    return [(piece["text"], piece["classes"]) for piece in node(script, text)]


@pytest.mark.parametrize(("text", "shown"), [
    ("plain\ttext", [("plain\ttext", "")]),
    ("\x1b[31mred\x1b[0m.", [("red", "fg-red"), (".", "")]),
    ("\x1b[1;4;91;44mx", [("x", "fg-bright-red bg-blue bold underline")]),
    ("\x1b[1mx\x1b[22my\x1b[39mz", [("x", "bold"), ("y", ""), ("z", "")]),
    ("\x1b[38;5;9mx", [("x", "fg-bright-red")]),
    ("\x1b[38;5;21mx\x1b[48;5;255my", [("x", "fg-blue"), ("y", "fg-blue bg-white")]),
    ("\x1b[38;2;250;10;10;1mx", [("x", "fg-bright-red bold")]),
    ("\x1b[mx", [("x", "")]),
    ("\x1b[999mx", [("x", "")]),
    ("\x1b[38;5mx\x1b[38;5;999my\x1b[38;2;1mz", None),
    ("\x1b[2Jx", [("␛", "control"), ("[2Jx", "")]),
    ("\x1b]8;;javascript:x\x07y", [("␛", "control"), ("]8;;javascript:x␇y", "")]),
    ("\x1b", [("␛", "control")]),
    ("\x1b[" + "1;" * 100 + "m", None),
    ("a\x00b\x7f\x85\u202ec\u200bd\ufeff", [("a␀b␡\\u0085\\u202ec\\u200bd\\ufeff", "")]),
])  # fmt: skip
def test_colours_are_classes_and_the_rest_is_shown(text: str, shown: list[tuple[str, str]] | None) -> None:
    found = pieces(text)
    assert shown is None or found == shown
    for piece, classes in found:
        assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", piece)
        assert re.fullmatch(r"([a-z-]+( |$))*", classes)


@pytest.mark.parametrize("unit", ["\x1b[", "\x1b[1;", "\x1b[31m", "1", "\x1b]8;;", "\u202e"])
def test_a_megabyte_of_anything_takes_a_moment(unit: str) -> None:
    script = (f"import {{ plain }} from './ansi.js'; {ASK} const text = given[0].repeat(2 ** 20 / given[0].length);"
              "const began = performance.now(); plain(text); console.log(performance.now() - began)")
    assert node(script, unit) < 5000  # what is not linear takes minutes


@pytest.mark.parametrize(("text", "seconds", "shown"), [
    ("8s", 8, "8s"), ("2m5s", 125, "2m 5s"), ("2h30m15s", 9015, "2h 30m"),
    ("100h0m1s", 360001, "4d 4h"), (None, 0, "0s"),
])
def test_durations_are_read_and_shown(text: str | None, seconds: int, shown: str) -> None:
    script = (f"import {{ duration, seconds }} from './time.js'; {ASK}"
              "const number = seconds(given[0]); console.log(JSON.stringify([number, duration(number)]))")
    assert node(script, text) == [seconds, shown]


def test_every_word_is_there_in_both_languages() -> None:
    script = "import { LANGUAGES } from './words.js'; console.log(JSON.stringify(LANGUAGES))"
    words = node(script)
    assert words["en"].keys() == words["zh"].keys()
    for key, text in words["en"].items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", words["zh"][key])), key


def test_every_word_that_is_asked_for_is_there() -> None:
    words = node("import { LANGUAGES } from './words.js'; console.log(JSON.stringify(Object.keys(LANGUAGES.en)))")
    sources = "".join(path.read_text() for path in HERE.glob("*.js"))
    asked = set(re.findall(r"""\bt\("(\w+)"[,)]""", sources))
    assert asked <= set(words)
    assert len(asked) > 50


def test_every_word_is_asked_for() -> None:
    words = node("import { LANGUAGES } from './words.js'; console.log(JSON.stringify(Object.keys(LANGUAGES.en)))")
    sources = "".join(path.read_text() for path in HERE.glob("*.js") if path.name != "words.js")
    made = {f"{action}One" for action in ("start", "stop", "restart")} | {
        f"confirm{action}{end}" for action in ("Start", "Stop", "Restart") for end in ("", "Hint")}  # fmt: skip
    assert made <= set(words)
    assert [word for word in words if word not in made and not re.search(rf"[\"'`]{word}[\"'`]", sources)] == []


@pytest.mark.parametrize(("error", "shown"), [
    ("exit code 3", "退出码 3"), ("killed by SIGKILL", "被 SIGKILL 终止"),
    ("cannot find command 'node': it is not on the PATH", "找不到命令 'node'\uff1a它不在 PATH 中"),
    ("cannot find command './a b': it is not there; the command is one file, what follows it goes into args", None),
    ("file watch degraded: cannot watch files: permission denied", None),
])  # fmt: skip
def test_an_error_is_in_one_language(error: str, shown: str | None) -> None:
    script = (f"import {{ failure }} from './words.js'; {ASK}"
              "console.log(JSON.stringify(failure(given[1], given[0])))")
    assert node(script, error, "zh") == (shown or error)
    assert node(script, error, "en") == error


MARKUP = r"innerHTML|outerHTML|insertAdjacent|DOMParser|\beval\b|new Function|document\.write|srcdoc"


@pytest.mark.parametrize("path", sorted(HERE.glob("*.js")), ids=lambda path: path.name)
def test_a_module_is_small_says_its_concept_and_reads_nothing_as_markup(path: Any) -> None:
    text = path.read_text()
    assert text.startswith("// ")
    assert text.count("\n") <= 200
    assert not re.search(MARKUP, text)
    assert max(map(len, text.splitlines())) <= 132
