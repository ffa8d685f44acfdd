"""A child's environment: what it inherits, what its templates become, and what is put in for it."""
from __future__ import annotations

import os
import re
from collections.abc import Mapping

#: Belongs to the host alone: a child that saw these would serve its sockets, reload itself, or notify for it.
WITHHELD = frozenset({
    "WERKZEUG_RUN_MAIN", "WERKZEUG_SERVER_FD", "RUN_MAIN", "LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET",
    "GUNICORN_FD", "GUNICORN_PID",
})
#: Our own names, the token among them. A manager inside a managed process must not pass on its master's.
RESERVED = "PROCESSMAN_"

_TEMPLATE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})")


class UnsetVariable(LookupError):
    """A template needs the variable *name*, and the host has none."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the variable {name!r} is not set")
        self.name = name


def references(template: str) -> tuple[tuple[str, str | None], ...]:
    """Return the variables that *template* uses, each with its default."""
    # Up to the last brace only: there every reference is closed, so no scan is in vain.
    found = _TEMPLATE.finditer(template, 0, template.rfind("}") + 1)
    return tuple((match[1], match[2]) for match in found if match[1])


def expand(template: str, host: Mapping[str, str]) -> str:
    """Return *template* with ``${VAR}``, ``${VAR:-default}`` and ``$$`` replaced; any other ``$`` is text.

    One pass: neither a value nor a default is looked at again. As in a shell an empty variable takes the
    default too.

    :raises UnsetVariable: a variable without default is not set.
    """
    def value(match: re.Match[str]) -> str:
        name, default = match.groups()
        if name is None:
            return "$"
        if default is not None:
            return host.get(name) or default
        try:
            return host[name]
        except KeyError:
            raise UnsetVariable(name) from None

    if "$" not in template:
        return template
    closed = template.rfind("}") + 1
    return _TEMPLATE.sub(value, template[:closed]) + template[closed:].replace("$$", "$")


def inherited(host: Mapping[str, str]) -> dict[str, str]:
    """Return what of the *host*'s environment a child and its templates may see."""
    seen = {}
    for name in host:
        # get(): another thread of the host may take a variable away while we look
        if not (name in WITHHELD or name.startswith(RESERVED)) and (value := host.get(name)) is not None:
            seen[name] = value
    return seen


def child_environment(
    base: Mapping[str, str], own: Mapping[str, str], *,
    port: int, data_dir: str, process_id: str, run: int, instance: str,
) -> dict[str, str]:
    """Return the environment of a run: *base*, ours, the process's *own*, our marks; the later win."""
    return {
        "PYTHONUNBUFFERED": "1",  # without it a Python child that is killed loses its last lines
        **base,
        "PB_PORT": str(port),
        "PB_DATA_DIR": data_dir,
        **own,
        "PROCESSMAN_ID": process_id,
        "PROCESSMAN_RUN": str(run),
        "PROCESSMAN_INSTANCE": instance,
    }


def enter_venv(env: dict[str, str], venv: str, programs: str) -> None:
    """Change *env* as activating *venv* would; *programs* is the directory its Python lies in."""
    env["VIRTUAL_ENV"] = venv
    env["PATH"] = os.pathsep.join(filter(None, (programs, env.get("PATH", os.defpath))))
    env.pop("PYTHONHOME", None)  # it would send the venv's Python to the host's library
