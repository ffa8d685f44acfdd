"""What answers look like: statuses and log lines in camelCase, with every secret hidden."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .. import duration
from ..masking import Redactor, mask, mask_arguments, mask_text, secret_name, secrets_in
from .answer import dump

if TYPE_CHECKING:
    from ..config import Config, ProcessConfig
    from ..events import LogLine, News
    from ..states import Status

#: A line's bytes can be six times as many in JSON; the oldest lines give way.
_ANSWER_LIMIT = 4 * 1024 * 1024


class Wire:
    """Turns what a manager tells into what goes out. Any thread."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._injected = {"PB_PORT": str(config.port), "PB_DATA_DIR": str(Path(config.data_dir).absolute())}
        self._shown: dict[str, _Shown] = {}

    def processes(self, statuses: Iterable[Status]) -> list[dict[str, object]]:
        """Return all of *statuses*, in their order."""
        shown = {status.id: self._show(status) for status in statuses}
        self._shown = shown  # as a whole: forgets what is registered no more
        return [_process(status, shown[status.id]) for status in statuses]

    def process(self, status: Status) -> dict[str, object]:
        """Return one status."""
        return _process(status, self._show(status))

    def lines(self, lines: Sequence[LogLine]) -> str:
        """Return the JSON of *lines*: the newest of them that fit in 4 MiB, oldest first."""
        texts: list[str] = []
        left = _ANSWER_LIMIT
        for line in reversed(lines):
            text = dump(_line(line))
            left -= len(text) + 1
            if left < 1:
                break
            texts.append(text)
        return f"[{','.join(reversed(texts))}]"

    def news(self, news: News) -> str:
        """Return the JSON of *news*: the oldest of its lines that fit in 4 MiB; the rest comes the next time."""
        texts: list[str] = []
        left = _ANSWER_LIMIT
        after = news.next
        for line in news.items:
            text = dump(_line(line))
            left -= len(text) + 1
            if left < 0:
                break
            texts.append(text)
            after = line.seq
        rest = {"next": after, "missed": news.missed, "epoch": news.epoch}
        return f'{{"items":[{",".join(texts)}],{dump(rest)[1:]}'

    def _show(self, status: Status) -> _Shown:
        """Return the configuration as it may be shown. Hiding is the dear part, so it is done once a run."""
        shown = self._shown.get(status.id)
        if shown is None or not shown.fits(status):
            shown = self._shown[status.id] = self._make(status)
        return shown

    def _make(self, status: Status) -> _Shown:
        config = status.config
        clean = _cleaner(config, status.redact)
        what = "script" if config.command is None else "command"
        # The process's own variables stand first, and win.
        env = {**config.env, **self._injected, **config.env}
        view = {
            "id": config.id,
            what: clean(config.command or config.script or ""),
            "args": [clean(arg) for arg in mask_arguments(config.args)],
            "cwd": clean(str(config.cwd)),
            "env": {name: clean(mask(name, value)) for name, value in env.items()},
            "interpreter": clean(_interpreter(status)),
            "maxRetries": config.max_retries,
            "backoff": duration.text(config.backoff),
            "devMode": self._config.dev if config.dev_mode is None else config.dev_mode,
            "watchPaths": [clean(path) for path in config.watch_paths],
            "watchIgnore": list(config.watch_ignore),
            "restart": config.restart,
            "successExitCodes": list(config.success_exit_codes),
            "stopSignal": config.stop_signal,
            "stopTimeout": duration.text(config.stop_timeout),
            "autostart": config.autostart,
            "bridgeLogs": config.bridge_logs,
        }
        return _Shown(config, status.redact, status.interpreter, clean, view)


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """A configuration as it may be shown, and what it was made from."""

    config: ProcessConfig
    redact: Callable[[str], str]
    interpreter: str
    clean: Callable[[str], str]
    view: dict[str, object]

    def fits(self, status: Status) -> bool:
        return (self.config is status.config and self.redact is status.redact
                and self.interpreter == status.interpreter)


def _cleaner(config: ProcessConfig, redact: Callable[[str], str]) -> Callable[[str], str]:
    """Return what hides secrets in any text of a process, also before its first run made a *redact*."""
    literal = Redactor(value for value in _literal_secrets(config) if value != config.id)
    return lambda text: redact(literal(mask_text(text))) if text else text


def _literal_secrets(config: ProcessConfig) -> Iterable[str]:
    for name, value in config.env.items():
        if "${" not in value:  # a template is no secret yet, and may be shown
            yield from (value,) if secret_name(name) else secrets_in(value)


def _interpreter(status: Status) -> str:
    """Return the one that was chosen; until the first start as written; none for a command."""
    written = "" if status.run or status.config.command is not None else status.config.interpreter
    return status.interpreter or written


def _process(status: Status, shown: _Shown) -> dict[str, object]:
    return {
        "id": status.id,
        "pid": status.pid,
        "status": status.status,
        "startTime": _time(status.start_time),
        "uptime": None if status.uptime is None else duration.text(max(0, int(status.uptime))),
        "restartCount": status.restart_count,
        "lastError": shown.clean(status.last_error),
        "config": shown.view,
        "exitCode": status.exit_code,
        "signal": status.signal,
        "run": status.run,
        "nextRetryAt": _time(status.next_retry_at),
        "escaped": [shown.clean(name) for name in status.escaped],
        "watch": status.watch and shown.clean(status.watch),
    }


def _line(line: LogLine) -> dict[str, object]:
    shown: dict[str, object] = {
        "timestamp": _time(line.timestamp),
        "processId": line.process_id,
        "stream": line.stream,
        "content": line.content,
        "seq": line.seq,
        "run": line.run,
    }
    return {**shown, "partial": True} if line.partial else shown


def _time(moment: datetime | None) -> str | None:
    """Return RFC 3339 in UTC, with milliseconds when they are not 000."""
    if moment is None:
        return None
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00").removesuffix(".000") + "Z"
