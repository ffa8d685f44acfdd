"""Real directories, real events. A marker, changed after all else, shows what did not happen before it."""
from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import missing, require, until
from watchdog.observers.polling import PollingObserver

from processman.filewatch import FileWatch, Watch
from processman.roots import Seen, entries, pocketbase_files
from processman.sources import Inotify, Observed, Source

if sys.platform == "linux":
    from watchdog.observers import inotify_c

LIMIT = 10
linux = pytest.mark.skipif(sys.platform != "linux", reason="inotify is of Linux")


def polled() -> Observed:
    """A watchdog observer that works everywhere; that for Linux may close descriptors twice."""
    return Observed(PollingObserver(timeout=0.02))


SOURCES = [pytest.param(Inotify, marks=linux), polled]


class Heard:
    """What a watch told, and a marker beside the watched root."""

    def __init__(self, base: Path) -> None:
        self._news = threading.Condition()
        self._paths: list[str] = []
        self._base = base
        self.marker = base / f"marker-{id(self)}"
        self._marks = 0

    def __call__(self, path: str) -> None:
        with self._news:
            self._paths.append(path)
            self._news.notify_all()

    def wait_for(self, path: Path) -> None:
        with self._news:
            assert self._news.wait_for(lambda: str(path) in self._paths, LIMIT), f"{path}: {self._paths}"

    def names(self) -> set[str]:
        """Return the paths told so far, relative to the base, and forget them."""
        self.marker.write_text(f"{self._marks}")
        self._marks += 1
        self.wait_for(self.marker)
        with self._news:
            told, self._paths = self._paths, []
        return {os.path.relpath(path, self._base) for path in told if path != str(self.marker)}

    def settle(self) -> None:
        """Wait until the watching thread is at rest: it looks twice after each arming."""
        for _ in range(3):
            self.names()


@pytest.fixture(params=SOURCES, ids=["inotify", "watchdog"])
def files(request: pytest.FixtureRequest) -> Iterator[FileWatch]:
    """A FileWatch on each kind of source."""
    files = FileWatch(request.param)
    yield files
    files.close()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base" / "root").mkdir(parents=True)
    return (tmp_path / "base").resolve()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


def watch(files: FileWatch, heard: Heard, *roots: Path, ignore: tuple[str, ...] = ()) -> Watch:
    return files.watch([*roots, heard.marker], ignore, heard)


# what counts


def plain(root: Path) -> Path:
    (root / "app.py").write_text("new")
    return root / "app.py"


def in_place(root: Path) -> Path:
    with (root / "app.py").open("a") as file:
        file.write("more")
    return root / "app.py"


def replaced(root: Path) -> Path:
    (root / "app.py.tmp").write_text("new")
    (root / "app.py.tmp").replace(root / "app.py")
    return root / "app.py"


def moved_in(root: Path) -> Path:
    (root.parent / "elsewhere.py").write_text("new")
    (root.parent / "elsewhere.py").rename(root / "app.py")
    return root / "app.py"


def like_vim(root: Path) -> Path:
    (root / "4913").write_text("")
    (root / "4913").unlink()
    (root / ".app.py.swp").write_text("swap")
    (root / "app.py").rename(root / "app.py~")
    (root / "app.py").write_text("new")
    (root / "app.py~").unlink()
    (root / ".app.py.swp").unlink()
    return root / "app.py"


def touched(root: Path) -> Path:
    (root / "app.py").touch()
    return root / "app.py"


def deleted(root: Path) -> Path:
    (root / "app.py").unlink()
    return root / "app.py"


def deep(root: Path) -> Path:
    (root / "a" / "b" / "c").mkdir(parents=True)
    (root / "a" / "b" / "c" / "new.py").write_text("new")
    return root / "a" / "b" / "c" / "new.py"


def with_odd_name(root: Path) -> Path:
    path = root / "mit Leerzeichen [ü] *.py"
    path.write_text("new")
    return path


SAVES = [plain, in_place, replaced, moved_in, like_vim, touched, deleted, deep, with_odd_name]


@pytest.mark.parametrize("save", SAVES, ids=lambda save: save.__name__)
def test_a_change_is_told_and_nothing_else(
    files: FileWatch, base: Path, save: Callable[[Path], Path]
) -> None:
    """W-atomic"""
    (base / "root" / "app.py").write_text("old")
    heard = Heard(base)
    assert watch(files, heard, base / "root").health == "on"
    path = save(base / "root")
    heard.wait_for(path)
    assert heard.names() <= {str(path.relative_to(base))}


def test_reading_is_no_change(files: FileWatch, base: Path) -> None:
    """W-reads"""
    (base / "root" / "sub").mkdir()
    (base / "root" / "sub" / "app.py").write_text("text")
    heard = Heard(base)
    watch(files, heard, base / "root")
    assert heard.names() == set()
    for _ in range(3):
        (base / "root" / "sub" / "app.py").read_text()
        os.listdir(base / "root" / "sub")
    assert heard.names() == set()


@pytest.mark.parametrize(
    "name",
    [
        *(".git/index", ".env", "__pycache__/app.pyc", "node_modules/left-pad/index.js", "venv/bin/python"),
        *("dist/a.js", "build/a.o", "sub/.venv/x.py", "app.pyc", "app.log", "app.pid", "app.sock", "app.tmp"),
        *("app.py~", ".app.py.swp", "app.swo", "4913", "data.db", "data.db-wal", "data.db-journal"),
        *("x.sqlite", "x.sqlite3-shm"),
    ],
)
def test_built_in_list_is_ignored(files: FileWatch, base: Path, name: str) -> None:
    """W-pycache"""
    heard = Heard(base)
    watch(files, heard, base / "root")
    path = base / "root" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("1")
    assert heard.names() == set()
    path.write_text("2")
    path.unlink()
    assert heard.names() == set()


@pytest.mark.parametrize(
    ("pattern", "ignored", "counts"),
    [
        ("*.txt", "sub/a.txt", "sub/a.py"),
        ("generated", "sub/generated/a.py", "sub/generated.py"),
        ("generated/", "generated/x/a.py", "generate/a.py"),
        ("docs/api", "docs/api/a.py", "docs/a.py"),
        ("./docs/*", "docs/a.py", "sub/docs/a.py"),
        ("**/api/*.py", "api/a.py", "api/a.js"),
        ("**/api/*.py", "sub/api/a.py", "sub/a.py"),
        ("", "sub/a.pyc", "sub/a.py"),
    ],
)
def test_own_patterns_match_names_and_paths(
    files: FileWatch, base: Path, pattern: str, ignored: str, counts: str
) -> None:
    heard = Heard(base)
    watch(files, heard, base / "root", ignore=(pattern,))
    for name in (ignored, counts):
        path = base / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    heard.wait_for(base / "root" / counts)
    assert heard.names() <= {f"root/{counts}"}


def test_what_pocketbase_writes_is_no_change(files: FileWatch, base: Path) -> None:
    heard = Heard(base)
    watch(files, heard, base, ignore=pocketbase_files(base / "root"))
    for name in ("data.db", "types.d.ts", "storage/a/b.png", "backups/x.zip", "hooks/main.py"):
        (base / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (base / "root" / name).write_text("1")
    heard.wait_for(base / "root" / "hooks" / "main.py")
    assert heard.names() <= {"root/hooks/main.py"}


@pytest.mark.parametrize("name", [".env", "app.log", "build"])
def test_a_file_that_is_named_counts_whatever_it_is_called(files: FileWatch, base: Path, name: str) -> None:
    heard = Heard(base)
    watch(files, heard, base / "root" / name)
    (base / "root" / "beside.py").write_text("1")
    (base / "root" / name).write_text("1")
    heard.wait_for(base / "root" / name)
    heard.names()
    (base / "root" / "new").write_text("2")
    (base / "root" / "new").replace(base / "root" / name)
    heard.wait_for(base / "root" / name)
    assert heard.names() <= {f"root/{name}"}


def test_directories_above_the_root_are_not_looked_at(files: FileWatch, base: Path) -> None:
    (base / "node_modules" / ".mine").mkdir(parents=True)
    heard = Heard(base)
    watch(files, heard, base / "node_modules" / ".mine")
    (base / "node_modules" / ".mine" / "a.js").write_text("1")
    heard.wait_for(base / "node_modules" / ".mine" / "a.js")


def test_git_checkout_is_told(files: FileWatch, base: Path) -> None:
    """W-atomic"""
    git = require("git")
    root = base / "root"

    def run(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "gc.auto=0")
        command = [git, *identity, *arguments]
        subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=LIMIT)

    (root / "src" / "old").mkdir(parents=True)
    (root / "src" / "old" / "a.py").write_text("1")
    for command in ("init -b one", "add .", "commit -m one", "checkout -b two", "mv src/old src/new"):
        run(*command.split())
    (root / "src" / "b.py").write_text("2")
    run("add", ".")
    run("commit", "-q", "-m", "two")
    heard = Heard(base)
    watch(files, heard, root)
    run("checkout", "-q", "one")
    heard.wait_for(root / "src" / "b.py")
    names = heard.names()
    assert all(name.startswith("root/src") for name in names)
    (root / "src" / "old" / "a.py").write_text("3")
    heard.wait_for(root / "src" / "old" / "a.py")


def test_a_package_install_is_silent(files: FileWatch, base: Path) -> None:
    """W-pycache"""
    heard = Heard(base)
    watch(files, heard, base / "root")
    for package in range(100):
        directory = base / "root" / "node_modules" / f"package-{package}"
        directory.mkdir(parents=True)
        for file in range(20):
            (directory / f"{file}.js").write_text("x")
    assert heard.names() == set()


def test_observer_of_the_system_is_the_one_that_watchdog_chooses(base: Path) -> None:
    files, heard = FileWatch(Observed), Heard(base)
    assert watch(files, heard, base / "root").health == "on"
    (base / "root" / "a.py").write_text("1")
    heard.wait_for(base / "root" / "a.py")
    files.close()


# roots that come and go


def test_missing_root_is_watched_once_it_is_there(files: FileWatch, base: Path) -> None:
    heard = Heard(base)
    root = base / "not" / "yet" / "there"
    assert watch(files, heard, root).health == "on"
    heard.settle()
    root.mkdir(parents=True)
    (root / "a.py").write_text("1")
    heard.wait_for(root / "a.py")
    heard.names()
    (root / "b.py").write_text("1")
    heard.wait_for(root / "b.py")


def test_root_that_is_made_again_is_watched_again(files: FileWatch, base: Path) -> None:
    heard = Heard(base)
    root = base / "root"
    watch(files, heard, root)
    for name in ("a.py", "b.py"):
        heard.settle()
        shutil.rmtree(root)
        heard.wait_for(root)
        heard.settle()
        root.mkdir()
        (root / name).write_text("1")
        heard.wait_for(root / name)


@linux
def test_waiting_for_a_missing_root_is_waiting_and_not_looking(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("processman.roots.entries", lambda path: looks.append(path) or entries(path))
        files, heard = FileWatch(), Heard(base)
        watch(files, heard, base / "not" / "there", base / "root")
        heard.settle()
        assert str(base / "root") in looks
        looks.clear()
        heard.settle()
        assert looks == []
        files.close()


@linux
def test_root_that_is_made_again_at_once_is_watched_again(base: Path) -> None:
    files, heard = FileWatch(), Heard(base)
    root = base / "root"
    watch(files, heard, root)
    for name in map(str, range(5)):
        shutil.rmtree(root)
        root.mkdir()
        (root / name).write_text("1")
        heard.wait_for(root / name)
    files.close()


def test_directory_that_is_swapped_again_and_again_is_watched(files: FileWatch, base: Path) -> None:
    heard, root = Heard(base), base / "root"
    watch(files, heard, root)
    for number in range(3):
        (base / "fresh").mkdir()
        heard.settle()
        root.rename(base / f"old-{number}")
        (base / "fresh").rename(root)
        heard.wait_for(root)
        until(lambda: writes_are_told(heard, root / "a.py"))


@linux
def test_root_whose_parents_vanish_is_watched_again(base: Path) -> None:
    files, heard = FileWatch(), Heard(base)
    root = base / "a" / "b" / "root"
    root.mkdir(parents=True)
    watch(files, heard, root)
    heard.settle()
    shutil.rmtree(base / "a")
    heard.wait_for(root)
    root.mkdir(parents=True)
    (root / "y.py").write_text("1")
    heard.wait_for(root / "y.py")
    files.close()


@linux
def test_directory_that_vanishes_before_it_is_watched_is_no_loss(base: Path) -> None:
    (base / "a" / "b").mkdir(parents=True)

    class Late(Inotify):
        def begin(self, path: str, tree: bool) -> int:
            if path == str(base / "a" / "b") and not vanished:
                vanished.append(path)
                shutil.rmtree(base / "a")
            return super().begin(path, tree)

    vanished: list[str] = []
    told = threading.Event()
    files = FileWatch(Late)
    files.watch([base / "a" / "b" / "app.py"], (), lambda path: told.set())
    until(lambda: {str(base)} == set(files._source._paths.values()))  # type: ignore[union-attr]
    (base / "a" / "b").mkdir(parents=True)
    (base / "a" / "b" / "app.py").write_text("1")
    assert told.wait(LIMIT)
    files.close()


@linux
def test_directory_that_comes_before_its_parent_is_watched_is_found(base: Path) -> None:
    class Late(Inotify):
        def begin(self, path: str, tree: bool) -> int:
            if path == str(base / "root"):
                (base / "root" / "sub").mkdir(exist_ok=True)
            return super().begin(path, tree)

    told = threading.Event()
    files = FileWatch(Late)
    files.watch([base / "root"], (), lambda path: told.set())
    until(lambda: (base / "root" / "sub" / "a.py").write_text("1") and told.is_set())
    files.close()


def test_root_that_is_swapped_for_another_is_watched(files: FileWatch, base: Path) -> None:
    heard = Heard(base)
    root, fresh = base / "root", base / "fresh"
    (root / "sub").mkdir()
    (fresh / "sub").mkdir(parents=True)
    (fresh / "sub" / "a.py").write_text("1")
    watch(files, heard, root)
    heard.settle()
    root.rename(base / "old")
    fresh.rename(root)
    heard.wait_for(root)
    heard.names()
    until(lambda: writes_are_told(heard, root / "sub" / "a.py"))
    (base / "old" / "sub" / "b.py").write_text("1")
    assert "root/sub/b.py" not in heard.names()


def writes_are_told(heard: Heard, path: Path) -> bool:
    path.write_text("again")
    return str(path.relative_to(heard._base)) in heard.names()


def test_symbolic_link_is_followed(files: FileWatch, base: Path) -> None:
    (base / "link").symlink_to("root")
    (base / "loop").symlink_to("loop")
    heard = Heard(base)
    watch(files, heard, base / "link", base / "loop")
    (base / "root" / "a.py").write_text("1")
    heard.wait_for(base / "root" / "a.py")


def test_link_that_is_turned_is_followed_anew(files: FileWatch, base: Path) -> None:
    for name in ("one", "two"):
        (base / name).mkdir()
    (base / "current").symlink_to("one")
    heard = Heard(base)
    watch(files, heard, base / "current")
    heard.settle()
    (base / "next").symlink_to("two")
    (base / "next").replace(base / "current")
    heard.wait_for(base / "current")
    until(lambda: writes_are_told(heard, base / "two" / "a.py"))


@linux
def test_directory_that_is_moved_in_is_watched(base: Path) -> None:
    files, heard = FileWatch(), Heard(base)
    watch(files, heard, base / "root")
    heard.settle()
    (base / "out" / "sub").mkdir(parents=True)
    (base / "out").rename(base / "root" / "in")
    heard.wait_for(base / "root" / "in")
    until(lambda: writes_are_told(heard, base / "root" / "in" / "sub" / "a.py"))
    (base / "root" / "in").rename(base / "root" / "again")
    until(lambda: writes_are_told(heard, base / "root" / "again" / "sub" / "a.py"))
    files.close()


@linux
def test_directory_that_leaves_takes_its_watch_along(base: Path) -> None:
    def kernel() -> int:
        return Path(f"/proc/self/fdinfo/{source._fd}").read_text().count("inotify wd:")

    source = Inotify()
    files, heard = FileWatch(lambda: source), Heard(base)
    (base / "root" / "sub").mkdir()
    watch(files, heard, base / "root")
    heard.settle()
    assert kernel() == 3
    for number in range(3):
        (base / "root" / "sub").rename(base / f"gone-{number}")
        (base / "root" / "sub").mkdir()
        heard.settle()
        assert kernel() == 3
    files.close()


# several watches


def test_two_watches_of_one_directory_both_get_news(files: FileWatch, base: Path) -> None:
    one, two = Heard(base), Heard(base)
    first = watch(files, one, base / "root")
    watch(files, two, base / "root", ignore=("only-one",))
    (base / "root" / "a.py").write_text("1")
    (base / "root" / "only-one").write_text("1")
    for heard in (one, two):
        heard.wait_for(base / "root" / "a.py")
    one.wait_for(base / "root" / "only-one")
    assert two.names() <= {"root/a.py"}
    first.close()
    first.close()
    two.names()
    (base / "root" / "b.py").write_text("1")
    two.wait_for(base / "root" / "b.py")
    two.names()
    assert str(base / "root" / "b.py") not in one._paths


def test_listener_that_raises_harms_nobody(
    files: FileWatch, base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    called = threading.Event()

    def bad(path: str) -> None:
        called.set()
        raise ValueError(path)

    heard = Heard(base)
    assert files.watch([base / "root"], (), bad).health == "on"
    good = watch(files, heard, base / "root")
    for name in ("a.py", "b.py"):
        (base / "root" / name).write_text("1")
        heard.wait_for(base / "root" / name)
    assert called.is_set()
    assert good.health == "on"
    assert "a listener to changes of files failed" in caplog.text


def test_watching_again_and_again_takes_nothing(files: FileWatch, base: Path) -> None:
    """W-cycles"""
    heard = Heard(base)
    watch(files, heard, base / "root")
    heard.names()
    threads, descriptors = threading.active_count(), open_descriptors()
    for _ in range(20):
        other = Heard(base)
        watch(files, other, base / "root", base / "missing").close()
    heard.names()
    until(lambda: (threading.active_count(), open_descriptors()) <= (threads, descriptors))
    (base / "root" / "a.py").write_text("1")
    heard.wait_for(base / "root" / "a.py")


def test_nothing_is_opened_before_the_first_watch_nor_after_close(files: FileWatch, base: Path) -> None:
    threads, descriptors = threading.active_count(), open_descriptors()
    FileWatch().close()
    for _ in range(2):
        heard = Heard(base)
        watched = watch(files, heard, base / "root")
        heard.names()
        files.close()
        assert watched.health.startswith("degraded: ")
        assert (threading.active_count(), open_descriptors()) == (threads, descriptors)


@linux
def test_many_processes_take_one_thread_and_two_descriptors(base: Path) -> None:
    threads, descriptors = threading.active_count(), open_descriptors()
    files = FileWatch()
    for number in range(10):
        (base / f"{number}").mkdir()
        files.watch([base / f"{number}"], (), str)
    assert (threading.active_count() - threads, open_descriptors() - descriptors) == (1, 2)
    files.close()


@linux
def test_no_descriptor_is_passed_on(base: Path) -> None:
    source = Inotify()
    files = FileWatch(lambda: source)
    files.watch([base / "root"], (), str)
    assert not os.get_inheritable(source._fd)
    assert not os.get_inheritable(source._wake.fileno())
    files.close()


@linux
def test_thread_at_rest_waits_without_end(base: Path) -> None:
    class Telling(Inotify):
        def wait(self, timeout: float | None) -> list[Seen]:
            timeouts.append(timeout)
            return super().wait(timeout)

    timeouts: list[float | None] = []
    files, heard = FileWatch(Telling), Heard(base)
    watch(files, heard, base / "root", base / "missing")
    heard.settle()
    timeouts.clear()
    heard.settle()
    assert set(timeouts) == {None}
    files.close()


@linux
def test_ignored_directories_are_not_watched(base: Path) -> None:
    for number in range(50):
        (base / "root" / "node_modules" / f"{number}").mkdir(parents=True)
    source = Inotify()
    files = FileWatch(lambda: source)
    files.watch([base / "root"], (), str)
    assert set(source._paths.values()) == {str(base), str(base / "root")}
    files.close()


# limits and failures


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (RuntimeError("can't start new thread"), "can't start new thread"),
        (OSError(24, "Too many open files"), "Too many open files"),
    ],
)
def test_source_that_cannot_be_made_is_told(base: Path, error: Exception, why: str) -> None:
    def make() -> Source:
        raise error

    watched = FileWatch(make).watch([base], (), str)
    assert watched.health == f"degraded: cannot watch files: {why}"


@linux
def test_refusal_of_the_kernel_leaves_nothing(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        ctypes.set_errno(errno.EMFILE)
        return -1

    monkeypatch.setattr(inotify_c, "inotify_init", refuse)
    assert FileWatch().watch([base], (), str).health == INSTANCES


@linux
def test_directory_that_may_not_be_read_is_named(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret, heard = base / "root" / "secret", Heard(base)
    secret.mkdir()
    add = inotify_c.inotify_add_watch

    def refuse(instance: int, path: bytes, mask: int) -> int:
        if path != os.fsencode(secret):
            return int(add(instance, path, mask))
        ctypes.set_errno(errno.EACCES)
        return -1

    monkeypatch.setattr(inotify_c, "inotify_add_watch", refuse)
    files = FileWatch()
    watched = watch(files, heard, base / "root")
    assert watched.health == f"degraded: cannot watch '{secret}': Permission denied"
    (base / "root" / "a.py").write_text("1")
    heard.wait_for(base / "root" / "a.py")
    secret.rmdir()
    until(lambda: watched.health == "on")
    files.close()


@linux
def test_thread_that_cannot_be_started_leaves_nothing(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    descriptors = open_descriptors()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        files = FileWatch()
        first = files.watch([base / "root"], (), str)
        assert first.health == "degraded: cannot watch files: can't start new thread"
        assert open_descriptors() == descriptors
    heard = Heard(base)
    second = watch(files, heard, base / "root")
    assert (first.health, second.health) == ("on", "on")
    files.close()


@linux
def test_failure_of_the_thread_is_told_and_the_next_watch_begins_anew(
    base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Inotify):
        def wait(self, timeout: float | None) -> list[Seen]:
            raise MemoryError

    sources = iter((Broken(), Inotify()))
    files, heard = FileWatch(lambda: next(sources)), Heard(base)
    broken = watch(files, heard, base / "root")
    until(lambda: broken.health == "degraded: watching has failed, the log says why")
    assert "MemoryError" in caplog.text
    until(lambda: not files.alive())
    assert watch(files, heard, base / "root").health == "on"
    assert broken.health == "on"
    files.close()


@linux
def test_lost_events_are_a_change_and_all_is_watched_anew(base: Path) -> None:
    heard = Heard(base)
    source = Inotify()
    (base / "root" / "a.py").write_text("1")
    files = FileWatch(lambda: source)
    watch(files, heard, base / "root")
    original, overflow = source._parse, [b"\xff\xff\xff\xff" + (0x4000).to_bytes(4, "little") + bytes(8)]

    def parse(data: bytes) -> object:
        return original(b"".join([data, *overflow]))

    source._parse = parse  # type: ignore[method-assign,assignment]
    (base / "root" / "a.py").write_text("2")
    with heard._news:
        assert heard._news.wait_for(lambda: "" in heard._paths, LIMIT)
    overflow.clear()
    assert watch(files, heard, base / "root").health == "on"
    files.close()


PROGRAM = """
    import pathlib, sys, threading
    pathlib.Path("/proc/sys/user/max_inotify_{limit}").write_text("{value}")
    from processman.filewatch import FileWatch
    base = pathlib.Path(sys.argv[1])
    told = threading.Event()
    files = FileWatch()
    other = files.watch([base / "other"], (), print)
    watch = files.watch([base / "root"], (), lambda path: told.set())
    print(watch.health)
    (base / "root" / "a.py").write_text("1")
    print(told.wait({wait}))
    for number in range(20):
        (base / "root" / str(number)).mkdir()
    pause = threading.Event()
    while watch.health == "on":
        pause.wait(0.01)
    print(watch.health)
    for number in range(20):
        (base / "root" / str(number)).rmdir()
    while {recovers} and watch.health != "on":
        pause.wait(0.01)
    print(watch.health)
"""
INSTANCES = "degraded: cannot watch files: the limit fs.inotify.max_user_instances is reached"


@linux
@pytest.mark.parametrize(
    ("limit", "value", "wait", "expected"),
    [
        ("instances", 0, 0, [INSTANCES, "False", INSTANCES, INSTANCES]),
        ("watches", 8, LIMIT, ["on", "True", "degraded: cannot watch '{base}/root/", "on"]),
    ],
)
def test_limit_of_the_system_is_named(
    base: Path, limit: str, value: int, wait: int, expected: list[str]
) -> None:
    """W-limits"""
    space = (require("unshare"), "-Ur")
    probe = [*space, "sh", "-c", f"echo 9 > /proc/sys/user/max_inotify_{limit}"]
    if subprocess.run(probe, capture_output=True, timeout=LIMIT).returncode:
        missing("a user namespace with limits of its own cannot be made")
    (base / "other").mkdir()
    recovers = limit == "watches"
    program = textwrap.dedent(PROGRAM).format(limit=limit, value=value, wait=wait, recovers=recovers)
    command = [*space, sys.executable, "-c", program, str(base)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.splitlines()
    assert len(lines) == len(expected)
    for line, beginning in zip(lines, expected, strict=True):
        assert line.startswith(beginning.format(base=base))
    if recovers:
        assert lines[2].endswith("the limit fs.inotify.max_user_watches is reached")
