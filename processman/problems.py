"""What is wrong with a configuration, in words: where, which rule, never the value.

The JSON Schema is the one set of rules, for the file and for code, and it holds the words beside each rule
(``errorMessage``), where editors find them too. This is the only module that imports jsonschema.
"""
from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

from . import duration
from .errors import ConfigError

#: One message names so many problems at most: a broken file of 1 MiB may have half a million.
MOST = 100

_WORDS = {
    "string": "must be a string",
    "integer": "must be an integer",
    "boolean": "must be true or false",
    "array": "must be an array",
    "object": "must be an object",
}


class Problem(NamedTuple):
    """A rule that is broken at *pointer*, a JSON pointer."""

    pointer: str
    rule: str

    def __str__(self) -> str:
        return f"{self.pointer}: {self.rule}" if self.pointer else self.rule


def find(document: object) -> Iterator[Problem]:
    """Yield what is wrong with the list of processes *document*, each problem once, in its order."""
    seen: set[Problem] = set()
    mistyped: set[str] = set()
    for error in _validator().iter_errors(document):
        for problem in _problems(error):
            # what has the wrong type breaks every other rule as well; saying so helps nobody
            if problem not in seen and problem.pointer not in mistyped:
                seen.add(problem)
                yield problem
        if error.validator == "type":
            mistyped.add(pointer_to(error.absolute_path))


def refuse(what: str, problems: Iterable[Problem], *, path: str | None = None) -> None:
    """Raise one :class:`ConfigError` that lists all *problems*, if there are any.

    :param what: completes "cannot …".
    """
    found = list(islice(problems, MOST + 1))
    if not found:
        return
    if len(found) == 1:
        message = f"cannot {what}: {found[0]}"
    else:
        count = f"{len(found)}" if len(found) <= MOST else f"more than {MOST}"
        message = "\n  ".join([f"cannot {what}: {count} problems", *map(str, found[:MOST])])
    raise ConfigError(message, path=path, pointer=found[0].pointer)


def _problems(error: Any) -> Iterator[Problem]:
    """Say *error* of jsonschema in our words. Its own message holds the value, which may be a secret."""
    pointer = pointer_to(error.absolute_path)
    explain = _EXPLAIN.get(error.validator)
    if "propertyNames" in error.absolute_schema_path:
        yield Problem(pointer + pointer_to([error.instance]), error.schema["errorMessage"])
    elif explain is not None:
        yield from explain(error, pointer)
    else:
        yield Problem(pointer, error.schema.get("errorMessage") or _WORDS[error.validator_value])


def _missing(error: Any, pointer: str) -> Iterator[Problem]:
    names = [name for name in error.validator_value if name not in error.instance]
    yield Problem(pointer, f"needs {' and '.join(names)}")


def _choice(error: Any, pointer: str) -> Iterator[Problem]:
    names = [name for branch in error.validator_value for name in branch["required"]]
    yield Problem(pointer, f"needs exactly one of {' and '.join(names)}")


def _unknown(error: Any, pointer: str) -> Iterator[Problem]:
    known = error.schema["properties"]
    for name in error.instance:
        if name not in known:
            yield Problem(pointer + pointer_to([name]), unknown(name, known))


def unknown(name: str, known: Iterable[str]) -> str:
    """Return that *name* is none of *known*, and the one that was meant, if that can be guessed."""
    import difflib

    plain = {_plain(each): each for each in known}
    near = difflib.get_close_matches(_plain(name), plain, n=1)
    return "unknown key" + (f"; did you mean {plain[near[0]]}?" if near else "")


_EXPLAIN: dict[str, Callable[[Any, str], Iterator[Problem]]] = {
    "required": _missing,
    "oneOf": _choice,
    "additionalProperties": _unknown,
}


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def pointer_to(path: Iterable[object]) -> str:
    """Return the JSON pointer of *path*, fit to be shown."""
    return "".join("/" + _shown(str(part)) for part in path)


def _shown(part: str) -> str:
    """Escape *part* as JSON pointers want it, and so that it can neither forge a line nor fill a screen."""
    part = part if len(part) <= 80 else part[:80] + "…"
    part = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in part)
    return part.replace("~", "~0").replace("/", "~1")


@cache
def _validator() -> Any:
    """Make the validator at first use: importing jsonschema takes as long as all the rest."""
    import json
    from importlib import resources

    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend

    def pattern(_: Any, rule: str, value: object, __: object) -> Iterator[ValidationError]:
        # in Python "$" also matches before a last newline, in JSON Schema it does not
        if isinstance(value, str) and not re.fullmatch(rule, value):
            yield ValidationError("")

    def form(_: Any, rule: str, value: object, __: object) -> Iterator[ValidationError]:
        if isinstance(value, str) and not _FORMATS[rule](value):
            yield ValidationError("")

    types = Draft202012Validator.TYPE_CHECKER.redefine_many({
        # 3.0 is an integer to JSON Schema; tuples and mappings, with any keys, are what code gives
        "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
        "array": lambda _, value: isinstance(value, (list, tuple)),
        "object": lambda _, value: isinstance(value, Mapping) and all(isinstance(key, str) for key in value),
    })
    rules = {"pattern": pattern, "format": form}
    schema = json.loads(resources.files(__package__).joinpath("schema/pb_processes.schema.json").read_bytes())
    return extend(Draft202012Validator, rules, type_checker=types)(schema)  # type: ignore[no-untyped-call]


def _is_duration(text: str) -> bool:
    try:
        duration.parse(text)
    except ValueError:
        return False
    return True


_FORMATS: dict[str, Callable[[str], bool]] = {
    "go-duration": _is_duration,
    "signal": lambda name: name in signal.Signals.__members__,
}
