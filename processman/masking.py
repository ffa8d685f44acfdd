"""What is secret, by its name, by its shape, or by its value, and how it is hidden."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus

#: Stands for a secret whatever it was: no length, no first letter.
MASK = "****"

#: Secret wherever they stand in a name.
_PARTS = re.compile("KEY|SECRET|PASS|TOKEN|CREDENTIAL|AUTH", re.IGNORECASE)
#: Secret as one whole word of a name.
_WORDS = frozenset((
    "PW", "PWD", "BEARER", "CRED", "CREDS", "COOKIE", "COOKIES", "SESSION", "JWT", "PRIVATE", "SALT",
    "PEPPER", "SEED", "OTP", "PIN", "PAT", "SIG", "SIGNATURE", "SAS", "LICENSE", "WEBHOOK", "WEBHOOKS",
    "HOOK", "HOOKS", "DSN", "PEM", "CERT", "CERTS", "NETRC", "KUBECONFIG", "CONN", "CONNECTION",
))
#: Looks like the above and is not. Taken out of a name first, so KEYBOARD_API_KEY stays secret.
_HARMLESS = re.compile(
    r"KEY(?:BOARD|MAP|CODE|STROKE|FRAME|NOTE|WORD|SPACE)|HOT[_.-]?KEY|MONKEY|TURKEY|DONKEY|HOCKEY|WHISKEY"
    r"|AUTHOR(?!I[STZ])|TOKENIZ(?:ER|E|ATION)"
    r"|(?:MAX|MIN|NUM)(?:[_.-]?(?:NEW|INPUT|OUTPUT|PROMPT|COMPLETION|TOTAL))?[_.-]?TOKENS"
    r"|COMPASS|BYPASS|TRESPASS|SURPASS|PASS(?:ENGER|IVE|AGE|ION)|PASS[_.-]?THROUGH|^(?:OLD)?PWD$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@lru_cache(maxsize=4096)
def secret_name(name: str) -> bool:
    """Tell whether what is called *name* (a variable, flag, header or query parameter) is a secret."""
    rest = _HARMLESS.sub(" ", name)
    return bool(_PARTS.search(rest)) or any(word.upper() in _WORDS for word in _WORD.findall(rest))


#: How the tokens of well-known services begin; a digit is asked for, so that words stay.
_TOKENS = (
    r"(?:sk-|[sr]k_|gh[oprsu]_|github_pat_|glpat-|xox[a-z]-|xapp-|hf_|npm_|pypi-|whsec_|dop_v1_|shpat_|AIza)"
    r"(?=[A-Za-z_-]*\d)[\w-]{12,}|(?:AKIA|ASIA)[A-Z0-9]{16}(?!\w)|SG\.[\w-]{16,}+[\w.-]*+|ya29\.[\w.-]{16,}"
)
# Each scan ends where the next may begin, so all of them are linear whatever a text holds.
_SHAPES = tuple(re.compile(pattern) for pattern in (
    # the password of a URL, also with a bare / or @ in it; the port of one is none
    r"://[^\s:/?#@\[]*+:(?!\d{0,5}(?:[/?#\s]|\Z))(?P<secret>(?:(?!://)[^\s\"'<>@])+(?:@[^\s\"'<>@/?#]+)*)(?=@)",
    # the user of a URL without a password is often a token
    r"://(?P<secret>[^\s:/?#@\"'<>]++:?)(?=@)",
    r"(?P<secret>-----BEGIN [A-Z0-9 ]{1,40}-----(?s:.*?)(?:-----END [A-Z0-9 ]{1,40}-----|\Z))",
    r"\b(?i:bearer)\s++(?!(?i:bearer)\s)(?P<secret>[\w.~+/=-]{6,})",
    r"\bBasic\s++(?P<secret>(?=[A-Za-z]*(?:[0-9+/=]|[a-z][A-Z]))[A-Za-z0-9+/=]{8,})",
    r"(?<![\w-])(?P<secret>eyJ[\w-]{8,}+\.[\w-]++(?:\.[\w-]*+)*)",
    rf"(?<![\w-])(?P<secret>{_TOKENS})",
))
#: The default of a template.
_DEFAULT = re.compile(r"\$\{(\w+):-(?P<secret>[^}]++)")
#: A name and what parts it from its value: name=value, "name": "value", --name value
_NAMED = re.compile(r"(?<![\w.-])(?:(-[\w.-]++)\s++(?!-)|([\w.-]++)(?:=|\"\s*+:\s*+(?=\")))")
_VALUE = re.compile(r"\"(?P<double>[^\"]*+)|'(?P<single>[^']*+)|(?P<bare>[^\s&;\"']++)")
_REFERENCE = re.compile(r"\$\{\w+\}")


def _named_spans(text: str) -> Iterator[tuple[int, int]]:
    done = 0
    for match in _NAMED.finditer(text):
        name = match[1] or match[2]
        if match.end() >= done and secret_name(name) and (value := _VALUE.match(text, match.end())):
            done = value.end()
            yield value.span(value.lastgroup or 0)


def _candidates(text: str) -> Iterator[tuple[int, int]]:
    for shape in _SHAPES:
        yield from (match.span("secret") for match in shape.finditer(text))
    yield from (match.span("secret") for match in _DEFAULT.finditer(text) if secret_name(match[1]))
    yield from _named_spans(text)


def _spans(text: str) -> list[tuple[int, int]]:
    """Return where *text* holds a secret, except where only a reference to one stands."""
    found = (span for span in _candidates(text) if span[0] < span[1])
    return sorted(span for span in found if not _REFERENCE.fullmatch(text, *span))


def secrets_in(text: str) -> tuple[str, ...]:
    """Return what looks like a secret in *text*."""
    return tuple(text[start:end] for start, end in _spans(text))


def mask_text(text: str) -> str:
    """Hide what looks like a secret in *text*."""
    shown: list[str] = []
    done = 0
    for start, end in _spans(text):
        if start > done or not shown:  # else it goes on what the one before began
            shown += [text[done:start], MASK]
        done = max(done, end)
    return "".join((*shown, text[done:]))


def mask(name: str, value: str) -> str:
    """Return how the *value* of the variable *name* may be shown."""
    return MASK if secret_name(name) else mask_text(value)


#: An argument that is one pair, NAME=value or a header; its value may hold anything
_PAIR = re.compile(r"(-{0,2}[\w.-]+)(?:=|:\s+)")


def mask_arguments(args: Iterable[str]) -> tuple[str, ...]:
    """Hide secrets in *args*, among them the value after a secret-named flag."""
    shown: list[str] = []
    expected = False
    for arg in args:
        flag = arg.startswith("--") or (len(arg) == 2 and arg[0] == "-")
        shown.append(MASK if expected and not flag else _mask_argument(arg))
        expected = arg.startswith("-") and "=" not in arg and secret_name(arg)
    return tuple(shown)


def _mask_argument(arg: str) -> str:
    pair = _PAIR.match(arg)
    return pair[0] + MASK if pair and secret_name(pair[1]) else mask_text(arg)


_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")


def _distinctive(value: str) -> bool:
    word = value.isalpha() and (value.islower() or value.isupper() or value.istitle())
    return len(value) >= 6 and (len(value) > 16 or not (word or _NUMBER.fullmatch(value)))


def _masker(values: Iterable[str]) -> Callable[[str], str]:
    secrets = frozenset(values)
    forms: tuple[str, ...] | None = None

    def masked(text: str) -> str:
        nonlocal forms
        if forms is None:  # most runs never need it; made twice at worst
            forms = _forms(secrets)
        for form in forms:
            text = text.replace(form, MASK)
        return text

    return masked


def _forms(values: Iterable[str]) -> tuple[str, ...]:
    """Return all that stands for *values* in a text, the longest first: one may be part of another."""
    plain = {value.strip() for value in values}
    ways: tuple[Callable[[str], str], ...] = (
        str, quote, quote_plus, lambda value: quote(value, safe=""), lambda value: repr(value)[1:-1]
    )
    made = {way(value) for value in plain if _distinctive(value) for way in ways}
    return tuple(sorted(made, key=len, reverse=True))


class Redactor:
    """Hide the secret *values* of one run in any text, for all who may not read them.

    A value shorter than 6 characters, or one word or number of up to 16, is left alone: hiding ``production``
    or ``100000`` wherever it stands would protect nothing and make errors unreadable.
    """

    __slots__ = ("_masked",)

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._masked = _masker(values)  # a closure: nothing to read, print or pickle

    def __call__(self, text: str) -> str:
        return self._masked(text)
