"""The routes, a fixed table, and what each of them asks of the manager."""
from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request

from ..journal import KEEP_LINES
from .answer import Refused, dump
from .wire import Wire

if TYPE_CHECKING:
    from ..manager import Manager

logger = logging.getLogger(__name__)

#: seconds that a request waits for news at most
WAIT = 20
#: no line has a greater number
_LAST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Call:
    """One request that may be answered. *id* is only ever a key to look up."""

    manager: Manager
    wire: Wire
    request: Request
    #: who asks, for the log
    name: str
    #: seconds to wait for news; ``None`` when there is no more waiting, and nothing new is an answer
    patience: float | None = None
    id: str = ""


def answer(manager: Manager, environ: Mapping[str, str], name: str, patience: float | None = None) -> str:
    """Do what the request *environ* asks for in the *name* of somebody who may; return the JSON.

    :param patience: seconds to wait for news, for whom it is asked to; ``""`` when none came in that time.
    :raises Refused: there is no such route, or it cannot be asked for like this.
    :raises ProcessmanError: the manager refused.
    """
    request = Request(dict(environ), populate_request=False)
    route, arguments = _match(request)
    return route(Call(manager, _wire(manager), request, name, patience, **arguments))


#: what each manager's answers are made by, for that remembers what it has hidden
_wires: WeakKeyDictionary[Manager, Wire] = WeakKeyDictionary()


def _wire(manager: Manager) -> Wire:
    wire = _wires.get(manager)
    return _wires.setdefault(manager, Wire(manager.config)) if wire is None else wire


def _match(request: Request) -> tuple[Callable[[Call], str], dict[str, str]]:
    try:
        # what is asked for as //list would be found: request.path and match() make one slash of them
        if request.environ.get("PATH_INFO", "").startswith("//"):
            raise NotFound
        route, arguments = _ROUTES.match(request.path, request.method)
    except NotFound:
        raise Refused(404, "There is nothing here.") from None
    except MethodNotAllowed as error:
        allow = ", ".join(sorted(error.valid_methods or ()))
        raise Refused(405, "The method is not allowed here.", headers={"Allow": allow}) from None
    return route, dict(arguments)


def _list(call: Call) -> str:
    return dump(call.wire.processes(call.manager.list()))


def _show(call: Call) -> str:
    return dump(call.wire.process(call.manager.status(call.id)))


def _logs(call: Call) -> str:
    # each is looked at, also where another decides: a slip is told at once
    lines, seconds = _lines(call.request), _number(call.request, "wait", 0, WAIT)
    if "after" in call.request.args:
        return _news(call, seconds)
    return call.wire.lines(call.manager.logs(call.id, lines=lines))


def _news(call: Call, seconds: int) -> str:
    after = _number(call.request, "after", 0, _LAST)
    wanted = seconds and call.patience
    epoch = call.request.args.get("epoch", "")
    news = call.manager.news(call.id, after, epoch=epoch, timeout=wanted or 0)
    return call.wire.news(news) if news.items or not wanted else ""


def _start(call: Call) -> str:
    call.manager.start_process(call.id, wait=False)
    return _done(call, "Process start initiated")


def _restart(call: Call) -> str:
    call.manager.restart_process(call.id, wait=False)
    return _done(call, "Process restart initiated")


def _stop(call: Call) -> str:
    call.manager.stop_process(call.id)
    return _done(call, "Process stopped")


def _done(call: Call, message: str) -> str:
    logger.info("%s: %r, asked for by %r", message, call.id, call.name)
    return dump({"message": message, "id": call.id})


def _lines(request: Request) -> int:
    return _number(request, "lines", 1, KEEP_LINES, default="100")


def _number(request: Request, name: str, least: int, most: int, *, default: str = "0") -> int:
    """Return the parameter *name*; what is more than *most* is *most*."""
    first, *more = request.args.getlist(name) or [default]
    found = None if more else clamped(first, most)
    if found is None or found < least:
        raise _wrong(name, least, most)
    return found


def clamped(text: str, most: int) -> int | None:
    """Return the number that *text* is; what is more than *most* is *most*, and ``None`` what is no number."""
    if not (text.isascii() and text.isdigit()):
        return None
    # Counted before it is made: int() raises for some thousand digits.
    digits = text.lstrip("0") or "0"
    return most if len(digits) > len(str(most)) else min(int(digits), most)


def _wrong(name: str, least: int, most: int) -> Refused:
    span = f" from {least} to {most}" if most < _LAST else ""
    return Refused(400, f"{name} must be a number{span}, given once.")


# No redirects: they would leave the mount, and turn a POST into something else.
_ROUTES = Map([
    Rule("/list", methods=["GET"], endpoint=_list),
    Rule("/<id>", methods=["GET"], endpoint=_show),
    Rule("/<id>/logs", methods=["GET"], endpoint=_logs),
    Rule("/<id>/start", methods=["POST"], endpoint=_start),
    Rule("/<id>/restart", methods=["POST"], endpoint=_restart),
    Rule("/<id>/stop", methods=["POST"], endpoint=_stop),
], merge_slashes=False, redirect_defaults=False).bind("localhost")
