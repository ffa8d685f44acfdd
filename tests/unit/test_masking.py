"""What is secret, and how it is hidden."""
from __future__ import annotations

import copy
import pickle
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processman.masking import MASK, Redactor, mask, mask_arguments, mask_text, secret_name, secrets_in

SECRET_NAMES = [
    "API_KEY", "OPENAI_API_KEY", "apiKey", "api-key", "APIKEY", "MY_SECRET", "clientSecret", "DB_PASSWORD",
    "DB_PASS", "PASSWD", "MYSQL_PWD", "DB_PW", "PASSPHRASE", "TOKEN", "ACCESS_TOKEN", "GITHUB_TOKEN",
    "refreshToken", "CREDENTIALS", "AUTH", "AUTHORIZATION", "AUTHORITY_KEY", "BASIC_AUTH", "BEARER",
    "AWS_CRED", "DB_CREDS", "COOKIE", "COOKIES", "SESSION", "sessionId", "SESSION_ID", "JWT", "MY_JWT",
    "PRIVATE", "SALT", "PEPPER", "SEED", "OTP", "PIN", "PAT", "GH_PAT", "SIG", "SIGNATURE", "AZURE_SAS",
    "LICENSE", "WEBHOOK", "SLACK_WEBHOOK_URL", "HOOK", "DSN", "SENTRY_DSN", "TLS_PEM", "CERT", "NETRC",
    "KUBECONFIG", "CONN", "DB_CONNECTION", "X-Api-Key", "x.api.key", "PRIVATE_KEY", "SSH_KEY",
    "KEYBOARD_API_KEY", "MAX_TOKENS_TOKEN", "AUTHOR_TOKEN", "COMPASS_PASSWORD", "AWS_SECRET_ACCESS_KEY",
    "authToken", "dbPw", "TOKENS", "AUTHENTICATION", "PASSPORT",
]
HARMLESS_NAMES = [
    "KEYBOARD_LAYOUT", "keyboardLayout", "MAX_TOKENS", "max-tokens", "maxTokens", "OPENAI_MAX_TOKENS",
    "MAX_NEW_TOKENS", "TOKENIZERS_PARALLELISM", "TOKENIZER", "AUTHOR", "GIT_AUTHOR_NAME", "AUTHORS",
    "COMPASS", "COMPASS_HEADING", "MONKEY", "KEYWORDS", "KEYMAP", "HOTKEY", "BYPASS", "PASSIVE",
    "PASSENGER_COUNT", "PASS_THROUGH", "PWD", "OLDPWD", "PATH", "HOME", "LANG", "NODE_ENV", "PB_PORT",
    "DATABASE_URL", "SPIN", "PATTERN", "CERTAIN", "CONNECTIONS", "MAX_CONNECTIONS", "HOOKED", "DESIGN",
    "PINK", "SALTY", "SESSIONLESS", "MODEL", "PORT", "DEBUG",
]


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_secret_name(name: str) -> None:
    assert secret_name(name)
    assert mask(name, "v") == MASK
    assert mask(name, "") == MASK
    assert mask(name, "${VAR}") == MASK


@pytest.mark.parametrize("name", HARMLESS_NAMES)
def test_harmless_name(name: str) -> None:
    assert not secret_name(name)
    assert mask(name, "value") == "value"


@pytest.mark.parametrize("part", ["KEY", "SECRET", "PASSWORD", "PASS", "TOKEN", "CREDENTIAL", "AUTH"])
@pytest.mark.parametrize("write", [str, str.lower, str.title])
def test_seven_words_are_secret_anywhere_in_a_name(part: str, write: Callable[[str], str]) -> None:
    assert secret_name(write(f"MY{part}X"))


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVPmB92K27uhbU"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpA\nabc==\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(("text", "shown"), [
    ("postgres://app:hunter2@db/x", "postgres://app:****@db/x"),
    ("redis://:hunter2@r:6379/0", "redis://:****@r:6379/0"),
    ("postgres://app:p@ss@db/x", "postgres://app:****@db/x"),
    ("postgres://app:a/b?c@db/x", "postgres://app:****@db/x"),
    ("postgres://app:123456@db/x", "postgres://app:****@db/x"),
    ("postgres://app:pw@db/x?mail=a@b", "postgres://app:****@db/x?mail=a@b"),
    ("a://u:one@h b://u:two@h", "a://u:****@h b://u:****@h"),
    ("a://u:one@h,b://u:two@h", "a://u:****@h,b://u:****@h"),
    ("https://deadbeef@sentry.io/1", "https://****@sentry.io/1"),
    ("https://deadbeef:@api.example/1", "https://****@api.example/1"),
    ("postgres://app:${DB_PASSWORD}@db", "postgres://app:${DB_PASSWORD}@db"),
    ("postgres://app:${DB_PASSWORD:-pw}@db", "postgres://app:****@db"),
    ("https://h/p?token=abc&x=1#y", "https://h/p?token=****&x=1#y"),
    ("https://h/p?x=1&api_key=abc", "https://h/p?x=1&api_key=****"),
    ("https://h/p#access_token=abc", "https://h/p#access_token=****"),
    ("host=h password=abc dbname=x", "host=h password=**** dbname=x"),
    ("password='a b' user=x", "password='****' user=x"),
    ('password="a b" user=x', 'password="****" user=x'),
    ("x=API_KEY=abc", "x=API_KEY=****"),
    ("token=${TOKEN}&x=1", "token=${TOKEN}&x=1"),
    ('{"api_key": "abc", "model": "m"}', '{"api_key": "****", "model": "m"}'),
    ('{"secret":"a b"}', '{"secret":"****"}'),
    ("run --token abc --port 1", "run --token **** --port 1"),
    ("run --token=abc --port 1", "run --token=**** --port 1"),
    ("run --auth --port 1", "run --auth --port 1"),
    ("Authorization: Bearer abcdef.123", "Authorization: Bearer ****"),
    ("bearer abcdef123", "bearer ****"),
    ("Bearer Bearer abcdef123", "Bearer Bearer ****"),
    ("Bearer ${TOKEN}", "Bearer ${TOKEN}"),
    ("Basic dXNlcjpwYXNz", "Basic ****"),
    (f"got {JWT}!", "got ****!"),
    (f"a\n{PEM}\nb", "a\n****\nb"),
    ("-----BEGIN PRIVATE KEY-----\nMIIE cut off", "****"),
    ("${DB_PASSWORD:-hunter2}/x", "${DB_PASSWORD:-****}/x"),
    ("${HOST:-localhost}", "${HOST:-localhost}"),
    ("use sk-abcdefghijklmnop1234 now", "use **** now"),
    ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "****"),
    ("github_pat_11ABCDEFG0123456789", "****"),
    ("xoxb-123456789012-abcdef", "****"),
    ("AKIAIOSFODNN7EXAMPLE", "****"),
    ("AIzaSyA1234567890abcdefghijk", "****"),
    ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", "****"),
    ("SG.abcdefghijklmnopqrstuv.ABC", "****"),
])
def test_secret_in_text_is_hidden(text: str, shown: str) -> None:
    """A-canary"""
    assert mask_text(text) == shown
    assert mask_text(shown) == shown


@pytest.mark.parametrize("text", [
    "", "production", "ai-agent", "exit code 1", "killed by SIGKILL", "/app/agents/agent.py", "--model gpt-4",
    "http://localhost:8090/api", "http://localhost:8090/npm/vue@3/x", "https://cdn.example/npm/vue@3/dist",
    "mail a@b.example", "12:30:00", "2026-01-30T10:00:01Z", "sk-learn-pipeline-worker",
    "Basic Authentication",
    "cannot find script '/app/x.py': there is no such file", "auth.main:app", "key: value",
    "KEYBOARD_LAYOUT=us",
    "--max-tokens 100", "max_tokens=100", "task-sk-1", "hf_", "eyJ", "a=b=c", "http://[::1]:8090/",
    "${HOME}/x",
    "cannot expand env 'API_KEY': the variable 'API_KEY' is not set", "http://h:80",
])
def test_plain_text_stays(text: str) -> None:
    assert mask_text(text) == text
    assert secrets_in(text) == ()


surroundings = st.lists(st.sampled_from([
    "://", "a", "@", ":", "/", " ", "token=", '"', "'", "--key ", "Bearer ", JWT, "${A_KEY:-", "}", "\n",
    "://u:p", "-----BEGIN A-----",
])).map("".join)


@given(surroundings, st.sampled_from([
    "postgres://app:hunter2@db", "--token hunter2", "API_KEY=hunter2", '"api_key": "hunter2"',
    "Bearer hunter2", "${DB_PASSWORD:-hunter2}",
]), surroundings)
def test_nothing_around_a_secret_saves_it(before: str, secret: str, after: str) -> None:
    assert "hunter2" not in mask_text(f"{before} {secret} {after}")


def test_secrets_in_text() -> None:
    found = secrets_in(f"postgres://app:hunter2@db?sslcert=a {JWT} host=h password='a b' $${{X}}")
    assert sorted(found) == sorted(["hunter2", JWT, "a b"])


def test_value_is_masked_by_shape_where_the_name_is_harmless() -> None:
    assert mask("DATABASE_URL", "postgres://app:hunter2@db/x") == "postgres://app:****@db/x"


@pytest.mark.parametrize(("args", "shown"), [
    ([], []),
    (["--model", "gpt-4"], ["--model", "gpt-4"]),
    (["--api-key", "abc", "x"], ["--api-key", "****", "x"]),
    (["--apiKey", "abc"], ["--apiKey", "****"]),
    (["-password", "abc"], ["-password", "****"]),
    (["--api-key=abc def", "x"], ["--api-key=****", "x"]),
    (["API_KEY=abc def"], ["API_KEY=****"]),
    (["MODE=abc"], ["MODE=abc"]),
    (["-e", "API_KEY=abc"], ["-e", "API_KEY=****"]),
    (["--env=API_KEY=abc"], ["--env=API_KEY=****"]),
    (["-H", "X-Api-Key: abc def"], ["-H", "X-Api-Key: ****"]),
    (["-H", "Accept: text/html"], ["-H", "Accept: text/html"]),
    (["--token", "-AbC123"], ["--token", "****"]),
    (["--token", "--verbose"], ["--token", "--verbose"]),
    (["--auth", "-v", "x"], ["--auth", "-v", "x"]),
    (["--token", "a", "b"], ["--token", "****", "b"]),
    (["--token", ""], ["--token", "****"]),
    (["--token"], ["--token"]),
    (["token", "abc"], ["token", "abc"]),
    (["--max-tokens", "100"], ["--max-tokens", "100"]),
    (["--url", "postgres://u:pw@h"], ["--url", "postgres://u:****@h"]),
    (["uvicorn", "auth.main:app"], ["uvicorn", "auth.main:app"]),
    (["npm", "run", "auth:login"], ["npm", "run", "auth:login"]),
    (["-", "--"], ["-", "--"]),
])
def test_arguments(args: list[str], shown: list[str]) -> None:
    """A-canary"""
    assert mask_arguments(args) == tuple(shown)


@pytest.mark.parametrize(("value", "text", "shown"), [
    ("hunter22", "is hunter22 here, hunter22", "is **** here, ****"),
    ("hunter22", "xhunter22y", "x****y"),
    ("p@ss/w rd", "p%40ss%2Fw%20rd p%40ss/w%20rd p%40ss%2Fw+rd", "**** **** ****"),
    ("it's\\n\"x", repr("it's\\n\"x"), "'****'"),
    ("tab\there1", "'tab\\there1'", "'****'"),
    ("hunter22\n", "hunter22", "****"),
    ("swordfish1", "SWORDFISH1", "SWORDFISH1"),
    ("correct horse", "correct horse", "****"),
    ("correcthorsebatterystaple", "correcthorsebatterystaple", "****"),
    ("4929123412341234567", "4929123412341234567", "****"),
    ("aBcDeFgH", "aBcDeFgH", "****"),
])
def test_resolved_secret_is_hidden_in_any_text(value: str, text: str, shown: str) -> None:
    """A-canary"""
    assert Redactor([value])(text) == shown


@pytest.mark.parametrize("value", [
    "", " ", "a1", "ab1-2", "abc12\n", "production", "Production", "PRODUCTION", "100000", "3.14159",
    "-273.15",
])
def test_short_values_words_and_numbers_are_left_alone(value: str) -> None:
    text = f"cannot find script '/{value}/app.py': exit code {value}"
    assert Redactor([value])(text) == text


def test_secret_within_a_secret_leaves_no_rest() -> None:
    assert Redactor(["abcdef1", "abcdef1-abcdef2", "abcdef2"])("abcdef1-abcdef2 abcdef1") == "**** ****"


def test_redactor_without_secrets_changes_nothing() -> None:
    assert Redactor()("text") == "text"


def test_redactor_tells_nobody_its_secrets() -> None:
    """A-canary"""
    redact = Redactor(["canary-4711"])
    redact("made")
    shown = f"{redact!r} {redact} {dir(redact)} {[getattr(redact, name) for name in redact.__slots__]}"
    assert "canary" not in shown
    assert not hasattr(redact, "__dict__")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises((pickle.PicklingError, AttributeError, TypeError)) as caught:
            pickle.dumps(redact, protocol)
        assert "canary" not in str(caught.value)


def test_copy_of_a_redactor_hides_as_well() -> None:
    assert copy.deepcopy(Redactor(["canary-4711"]))("canary-4711") == MASK


UNITS = [
    "a", "A", "1", "-", ".", "=", ":", "/", "@", '"', "'", "$", " ", "\n", "://", "://a", "://a:", "://:",
    "://a:b@",
    "://a:/", "a@", "@/", "a:b@", "-----BEGIN A-----", "-----BEGIN ", "-----", "-----END A", "bearer ",
    "bearer",
    "Basic ", "Basic a", "Basic", "eyJ", "eyJaaaaaaaa", "eyJaaaaaaaa.", "sk-", "sk-a", "_sk-", " sk-a",
    "AKIA", "SG.",
    "ya29.", "-a ", "a ", "a=", "token", "token=", "token='", 'token="', "token=a ", "token= ", '"token": "',
    '"a" ', '"token"', "${A", "${A:-", "${A_KEY:-", "${", "--token ", "--token", "--token a", "KEY",
    "aB", "AUTHOR", "MAX_", "MAX_TOKENS", "X-Key: ", "ab.", "\\",
]
#: what is quadratic, or worse, needs many times this
SECONDS = 2.0


def cpu_time(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


@pytest.mark.parametrize("head", ["", "://u:", "token=", "Bearer ", "--token ", "-----BEGIN A-----"])
def test_hostile_text_takes_linear_time(head: str) -> None:
    for unit in UNITS:
        text = head + unit * (50_000 // len(unit))
        assert cpu_time(lambda: mask_text(text)) < SECONDS, unit  # noqa: B023


@pytest.mark.parametrize("unit", [
    "a", "://a:b", "://a@", "-----BEGIN A-----", "bearer ", "Basic a", "eyJaaaaaaaa.", "sk-a",
    "-a ", "token=", "token='", '"a" ',
    "${A_KEY:-",
])
def test_megabyte_of_hostile_text(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    assert cpu_time(lambda: mask_text(text)) < SECONDS


def test_hostile_name_or_argument_takes_linear_time() -> None:
    for unit in UNITS:
        text = unit * (50_000 // len(unit))
        assert cpu_time(lambda: (secret_name(text), mask_arguments([text]))) < SECONDS, unit  # noqa: B023


@pytest.mark.parametrize("value", ["a" * 5_000 + "b", "b" + "a" * 5_000, "ab" * 5_000 + "c", "a1" * 3])
def test_hostile_secret_takes_linear_time(value: str) -> None:
    redact = Redactor([value])
    assert cpu_time(lambda: redact("a" * 1_000_000)) < SECONDS
    assert cpu_time(lambda: redact("ab" * 500_000)) < SECONDS
