"""Real hosts load an application that starts processes, and exactly those that serve it do.

The application writes down which process loads it and which one is told to start. *Host* is the process that
was started here, *child* one that it made.
"""
from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import ROOT, missing, require_root, until

BIN = Path(sys.executable).parent
OUR_MARKS = ("PROCESSMAN_AUTOSTART", "WERKZEUG_RUN_MAIN", "RUN_MAIN", "FLASK_APP", "FLASK_DEBUG")
RELOADER = "this is the reloader, and its child serves"

DECISION = """
import logging, os, sys
from processman import hosts
from processman.autostart import autostart

def write(*words):
    with open(os.environ["DECISIONS"], "a") as file:  # one write, so that lines of several do not mix
        file.write(" ".join(map(str, (os.getpid(), os.getppid(), *words))) + "\\n")

class Manager:
    def share(self):
        pass

    def defer(self):
        pass

    def start(self):
        write("leads", hosts.cannot_lead() or "here")
        write("supervised", hosts.supervisor() is not None)
        write("starts", os.getegid())

class Handler(logging.Handler):
    def emit(self, record):
        write("says", record.getMessage())

logging.getLogger("processman.autostart").setLevel("INFO")
logging.getLogger("processman.autostart").addHandler(Handler())
manager = Manager()

def decide():
    write("loads")
    autostart(manager)
"""
FILES = {
    "decision.py": DECISION,
    "bare.py": """
import decision
decision.decide()
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"served"]
""",
    "forks.py": """
import os
from bare import application
if os.fork() == 0:
    os._exit(0)
os.wait()
""",
    "conf.py": "def post_worker_init(worker):\n    import decision; decision.write('hooks')\n",
    "hooked.py": """
import decision, uwsgi
uwsgi.post_fork_hook = lambda: decision.write("hooks")
from bare import application
""",
    "shop.py": """
import decision, flask
app = flask.Flask(__name__)
decision.decide()
@app.cli.command("import-goods")
def import_goods():
    pass
""",
    "factory.py": """
import decision, flask
def create_app():
    decision.decide()
    return flask.Flask(__name__)
""",
    "test_shop.py": """
import unittest
import shop
class Test(unittest.TestCase):
    def test_home(self):
        assert shop.app.test_client().get("/").status_code == 404
""",
    "test_threads.py": """
import importlib, threading
def test_live_server():
    thread = threading.Thread(target=importlib.import_module, args=("shop",))
    thread.start()
    thread.join()
""",
    "manage.py": """
import os, sys
from django.core.management import execute_from_command_line
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
execute_from_command_line(sys.argv)
""",
    "odd.py": """
import os
from django.core.management import execute_from_command_line
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
execute_from_command_line(["odd", "runserver", "--noreload", "127.0.0.1:0"])
""",
    "mysite/__init__.py": "",
    "mysite/settings.py": """
import os
SECRET_KEY = "only for tests"
DEBUG = True
ROOT_URLCONF = "mysite.urls"
WSGI_APPLICATION = "mysite.wsgi.application"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = os.environ.get("APPS", "").split()
""",
    "mysite/urls.py": "urlpatterns = []\n",
    "mysite/wsgi.py": """
import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
application = get_wsgi_application()
import decision
decision.decide()
""",
    "eager/__init__.py": "",
    "eager/apps.py": """
from django.apps import AppConfig
class Eager(AppConfig):
    name = "eager"
    def ready(self):
        import decision
        decision.decide()
""",
    "eager/tests.py": """
from django.test import SimpleTestCase
class Test(SimpleTestCase):
    def test_nothing(self):
        pass
""",
}


@dataclass
class Site:
    """A directory with applications of all kinds, and what they wrote down."""

    directory: Path
    host: int = 0

    def _start(self, line: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        own = {"PYTHONPATH": str(ROOT), "DECISIONS": str(self.directory / "decisions"), **environment}
        inherited = {name: value for name, value in os.environ.items() if name not in OUR_MARKS}
        with (self.directory / "out").open("w") as out:
            process = subprocess.Popen(
                line, cwd=self.directory, env={**inherited, **own}, stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.host = process.pid
        return process

    def run(self, line: Sequence[str], **environment: str) -> None:
        """Run *line* to its end."""
        assert self._start(line, environment).wait(60) == 0, self.printed()

    @contextmanager
    def served(self, line: Sequence[str], **environment: str) -> Iterator[None]:
        """Run *line* until the end of the block, and see all of it end."""
        process = self._start(line, environment)
        try:
            yield
            assert process.poll() is None, self.printed()
        finally:
            try:
                until(lambda: _ends(process), what=f"the end of {line}")
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def who(self, word: str) -> list[str]:
        """Name who wrote *word*: the host, or children of it."""
        path = self.directory / "decisions"
        lines = [line.split(" ", 3) for line in path.read_text().splitlines()] if path.exists() else []
        return sorted("host" if int(pid) == self.host else "child" for pid, _, said, *_ in lines if said == word)

    def said(self, word: str) -> set[str]:
        """Return what was written after *word*."""
        lines = (line.split(" ", 3) for line in (self.directory / "decisions").read_text().splitlines())
        return {rest[0] for _, _, said, *rest in lines if said == word}

    def printed(self) -> str:
        return (self.directory / "out").read_text()


def _ends(process: subprocess.Popen[bytes]) -> bool:
    """Ask *process* to end, and all of its; uWSGI forgets what it is told while its workers begin."""
    os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(2)
    return process.returncode is not None


@pytest.fixture
def site(tmp_path: Path) -> Site:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return Site(tmp_path)


def tool(name: str) -> str:
    """Return the path of a program beside this interpreter."""
    found = shutil.which(name, path=str(BIN))
    if found is None:
        missing(f"{name} is not installed beside this Python")
    return str(found)


def see(site: Site, line: Sequence[str], starts: Sequence[str], loads: Sequence[str], **environment: str) -> None:
    """Run the host *line* until it has started what it should; nothing else may have been loaded or started."""
    with site.served(line, **environment):
        until(lambda: site.who("starts") == list(starts), 30, f"starts of {starts}, not {site.who('starts')}")
    assert (site.who("starts"), site.who("loads")) == (list(starts), list(loads))
    assert site.said("supervised") == {str("host" not in starts)}


# -- Flask -----------------------------------------------------------------------------
HOST, CHILD = ["host"], ["child"]
BOTH = ["child", "host"]


@pytest.mark.parametrize(("arguments", "starts", "loads"), [
    ("--app shop run", HOST, HOST),
    ("--app factory run", HOST, HOST),
    ("--app shop --debug run", CHILD, BOTH),
    ("--app shop run --debug", CHILD, BOTH),
    ("--app shop run --reload", CHILD, BOTH),
    ("--app shop run --debug --no-reload", HOST, HOST),
])  # fmt: skip
@pytest.mark.parametrize("by", ["flask", "python -m flask"])
def test_flask_serves(site: Site, by: str, arguments: str, starts: list[str], loads: list[str]) -> None:
    line = [tool("flask")] if by == "flask" else [sys.executable, "-m", "flask"]
    see(site, [*line, *arguments.split(), "--port", "0"], starts, loads)
    assert site.said("says") == ({f"processes are not started: {RELOADER}"} if loads == BOTH else set())


@pytest.mark.parametrize("command", ["routes", "shell", "import-goods", "--help"])
def test_commands_of_flask_start_nothing(site: Site, command: str) -> None:
    """P2"""
    site.run([tool("flask"), "--app", "shop", command])
    name = "flask" if command in ("import-goods", "--help") else f"flask {command}"
    assert (site.who("starts"), site.who("loads")) == ([], HOST)
    assert site.said("says") == {f"processes are not started: the command {name!r} serves nobody"}


def test_completing_a_command_of_flask_starts_nothing(site: Site) -> None:
    completion = {"_FLASK_COMPLETE": "bash_complete", "COMP_WORDS": "flask im", "COMP_CWORD": "1"}
    site.run([tool("flask")], FLASK_APP="shop", **completion)
    assert "import-goods" in site.printed()
    assert (site.who("starts"), site.who("loads")) == ([], HOST)


@pytest.mark.parametrize("line", ["pytest test_shop.py", "pytest test_threads.py", "unittest test_shop"])
def test_tests_start_nothing(site: Site, line: str) -> None:
    tool("flask")
    site.run([sys.executable, "-m", *line.split()])
    assert (site.who("starts"), site.who("loads")) == ([], HOST)


@pytest.mark.parametrize(("switch", "starts"), [("0", []), ("1", HOST)])
def test_the_switch_overrules_what_the_host_is(site: Site, switch: str, starts: list[str]) -> None:
    site.run([tool("flask"), "--app", "shop", "routes"], PROCESSMAN_AUTOSTART=switch)
    assert (site.who("starts"), site.who("loads")) == (starts, HOST)


def test_a_command_that_a_reloaded_child_runs_starts_nothing(site: Site) -> None:
    site.run([tool("flask"), "--app", "shop", "routes"], WERKZEUG_RUN_MAIN="true")
    assert (site.who("starts"), site.who("loads")) == ([], HOST)


# -- Django ----------------------------------------------------------------------------
MANAGE = [sys.executable, "manage.py"]
AT_IMPORT = {"APPS": "eager"}


@pytest.fixture(name="django")
def with_django() -> None:
    try:
        import django  # noqa: F401 - whether it is there
    except ModuleNotFoundError:
        missing("Django is not installed")


@pytest.mark.usefixtures("django")
@pytest.mark.parametrize("command", ["check", "migrate", "shell -c pass", "test eager", "help"])
def test_commands_of_django_start_nothing(site: Site, command: str) -> None:
    """P2"""
    arguments = command.split()
    site.run([*MANAGE, *arguments], **AT_IMPORT)
    assert (site.who("starts"), site.who("loads")) == ([], HOST)
    assert site.said("says") == {f"processes are not started: the command 'manage.py {arguments[0]}' serves nobody"}
    site.run([*MANAGE, *arguments])
    assert site.who("starts") == []


@pytest.mark.usefixtures("django")
@pytest.mark.parametrize(("line", "starts", "loads"), [
    ([*MANAGE, "runserver", "127.0.0.1:0"], CHILD, CHILD),
    ([*MANAGE, "runserver", "--noreload", "127.0.0.1:0"], HOST, HOST),
    ([sys.executable, "odd.py"], HOST, HOST),
], ids=["reload", "noreload", "odd"])  # fmt: skip
def test_runserver_serves(site: Site, line: list[str], starts: list[str], loads: list[str]) -> None:
    see(site, line, starts, loads)


@pytest.mark.usefixtures("django")
@pytest.mark.parametrize(("arguments", "starts", "loads"), [
    ("runserver 127.0.0.1:0", CHILD, BOTH),
    ("runserver --noreload 127.0.0.1:0", HOST, HOST),
])  # fmt: skip
def test_runserver_with_a_start_at_import(
    site: Site, arguments: str, starts: list[str], loads: list[str]
) -> None:
    see(site, [*MANAGE, *arguments.split()], starts, loads, **AT_IMPORT)


# -- servers -----------------------------------------------------------------------------
TWO = ["child", "child"]


def gunicorn(*arguments: str) -> list[str]:
    return [tool("gunicorn"), "--bind", "127.0.0.1:0", *arguments]


@pytest.mark.parametrize(("arguments", "starts", "loads"), [
    ("-w 2 bare", TWO, TWO),
    ("-w 2 --preload bare", TWO, HOST),
    ("-w 2 -k gthread --threads 2 --preload bare", TWO, HOST),
    ("-w 2 --preload forks", TWO, HOST),
    ("-w 2 factory:create_app()", TWO, TWO),
    ("-w 2 --preload mysite.wsgi", TWO, HOST),
])  # fmt: skip
def test_workers_of_gunicorn_serve(site: Site, arguments: str, starts: list[str], loads: list[str]) -> None:
    see(site, gunicorn(*arguments.split()), starts, loads)


@pytest.mark.parametrize("option", ["--check-config", "--print-config"])
def test_gunicorn_starts_nothing_where_it_only_checks(site: Site, option: str) -> None:
    site.run(gunicorn(option, "bare"))
    assert (site.who("starts"), site.who("loads")) == ([], HOST)
    assert site.said("says") == {"processes are not started: gunicorn only checks the application"}


def test_workers_start_what_a_configuration_of_gunicorn_has_loaded(site: Site) -> None:
    (site.directory / "early.py").write_text("import bare\n")
    see(site, gunicorn("-w", "2", "-c", "early.py", "bare"), TWO, HOST)


def test_a_hook_of_gunicorn_is_kept_and_a_reload_starts_again(site: Site) -> None:
    with site.served(gunicorn("-w", "1", "--preload", "-c", "conf.py", "bare")):
        until(lambda: site.who("starts") == CHILD, 30)
        os.kill(site.host, signal.SIGHUP)
        until(lambda: len(site.who("starts")) > 1, 30)
    assert site.who("hooks") == site.who("starts") == CHILD * len(site.who("hooks"))
    assert site.who("loads") == HOST


def test_workers_of_gunicorn_start_with_the_rights_they_serve_with(site: Site) -> None:
    require_root()
    # the group alone: another user may not be able to read this Python
    see(site, gunicorn("-w", "1", "--preload", "--group", "65534", "bare"), CHILD, HOST)
    assert site.said("starts") == {"65534"}


def test_workers_of_gevent_start_and_cannot_lead(site: Site) -> None:
    if importlib.util.find_spec("gevent") is None:
        missing("gevent is not installed")
    see(site, gunicorn("-w", "1", "-k", "gevent", "--preload", "bare"), CHILD, HOST)
    assert site.said("leads") == {"gevent has replaced the threads"}


@pytest.fixture(name="uwsgi")
def with_uwsgi() -> Callable[[str], list[str]]:
    """Give what makes a command line of uWSGI, which has to be compiled, so it may be missing anywhere."""
    found = shutil.which("uwsgi", path=str(BIN))
    if found is None:
        missing("uWSGI is not installed: it has to be compiled")
    fixed = [found, "--home", sys.prefix, "--http-socket", "127.0.0.1:0", "--die-on-term", "--need-app"]
    return lambda arguments: [*fixed, *arguments.split()]


@pytest.mark.parametrize(("arguments", "starts", "loads"), [
    ("--master -p 2 --wsgi-file bare.py", TWO, HOST),
    ("--master -p 2 --lazy-apps --wsgi-file bare.py", TWO, TWO),
    ("--master -p 1 --mule --wsgi-file bare.py", CHILD, HOST),
    ("-p 1 --wsgi-file bare.py", HOST, HOST),
    ("-p 2 --wsgi-file bare.py", BOTH, HOST),
])  # fmt: skip
def test_workers_of_uwsgi_serve(
    site: Site, uwsgi: Callable[[str], list[str]], arguments: str, starts: list[str], loads: list[str]
) -> None:
    see(site, uwsgi(arguments), starts, loads)


def test_a_hook_of_uwsgi_is_kept(site: Site, uwsgi: Callable[[str], list[str]]) -> None:
    see(site, uwsgi("--master -p 2 --wsgi-file hooked.py"), TWO, HOST)
    assert site.who("hooks") == TWO


def test_waitress_serves(site: Site) -> None:
    see(site, [tool("waitress-serve"), "--listen", "127.0.0.1:0", "bare:application"], HOST, HOST)
