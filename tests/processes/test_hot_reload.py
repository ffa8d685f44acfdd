"""Hot reload of real children: what is saved restarts them once, and nothing else does."""
from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support import CHILDREN, child, require, until, wait_for_line

from processman import Manager, ProcessConfig

GIVEN_UP = "degraded: keeps changing what it watches"


def dev(id: str, script: str, *args: object, watch: Path, **more: object) -> ProcessConfig:
    """Configure a child that is restarted when *watch* changes."""
    return child(id, script, *args, dev_mode=True, watch_paths=(str(watch),), **more)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What the processes of a test watch."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "app.py").write_text("old")
    return root


class Reloads:
    """Starts processes and, beside them, one that is a marker: changed after all else, it is restarted last."""

    def __init__(self, manager: Manager, marker: Path) -> None:
        self._manager = manager
        self._marker = marker

    def begin(self, *processes: ProcessConfig) -> None:
        """Start all, and wait until each has said that it is ready."""
        for process in (*processes, dev("marker", "waits.py", watch=self._marker)):
            self._manager.register(process)
        self._manager.start()
        for process in processes:
            wait_for_line(self._manager, process.id, "ready")

    def run(self, id: str = "app") -> int:
        """Return the run of *id* after all that was changed before has had its effect."""
        before = self._manager.status("marker").run
        self._marker.write_text("changed")
        self._manager.wait_for("marker", lambda status: status.run > before and status.pid is not None, timeout=10)
        settled = ("running", "crashed", "failed", "stopped", "exited")
        return self._manager.wait_for(id, settled, timeout=10).run

    def wait(self, run: int, id: str = "app") -> None:
        """Wait until *run* of *id* is running."""
        self._manager.wait_for(id, lambda status: status.run >= run and status.status == "running", timeout=10)


@pytest.fixture
def reloads(manager: Manager, tmp_path: Path) -> Reloads:
    """Return the helper for this test's manager."""
    return Reloads(manager, tmp_path / "marker")


def like_vim(root: Path) -> None:
    (root / "4913").write_text("")
    (root / "4913").unlink()
    (root / ".app.py.swp").write_text("swap")
    (root / "app.py").rename(root / "app.py~")
    (root / "app.py").write_text("new")
    (root / "app.py~").unlink()
    (root / ".app.py.swp").unlink()


def replaced(root: Path) -> None:
    (root / "app.py.tmp").write_text("new")
    (root / "app.py.tmp").replace(root / "app.py")


def moved_in(root: Path) -> None:
    (root.parent / "elsewhere.py").write_text("new")
    (root.parent / "elsewhere.py").rename(root / "app.py")


def in_pieces(root: Path) -> None:
    with (root / "app.py").open("w") as file:
        for number in range(100):
            print(number, file=file, flush=True)


def all_at_once(root: Path) -> None:
    for number in range(200):
        (root / f"{number % 10}").mkdir(exist_ok=True)
        (root / f"{number % 10}" / f"{number}.py").write_text("new")


SAVES = [like_vim, replaced, moved_in, in_pieces, all_at_once]


@pytest.mark.parametrize("save", SAVES, ids=lambda save: save.__name__)
def test_a_save_is_one_restart(reloads: Reloads, root: Path, save: Callable[[Path], None]) -> None:
    """W-atomic"""
    reloads.begin(dev("app", "waits.py", watch=root))
    for run in (2, 3):
        save(root)
        reloads.wait(run)
    assert reloads.run() == 3


def test_git_checkout_is_one_restart(reloads: Reloads, manager: Manager, root: Path) -> None:
    """W-atomic"""
    git = require("git")

    def run(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "gc.auto=0")
        subprocess.run([git, *identity, *arguments], cwd=root, check=True, capture_output=True, timeout=10)

    (root / "old").mkdir()
    for number in range(100):
        (root / "old" / f"{number}.py").write_text(f"{number}")
    for command in ("init -b one", "add .", "commit -m one", "checkout -b two", "mv old new", "commit -m two"):
        run(*command.split())
    reloads.begin(dev("app", "waits.py", watch=root))
    for number, branch in ((2, "one"), (3, "two")):
        run("checkout", branch)
        reloads.wait(number)
        assert reloads.run() == number
    run("gc", "--prune=now")
    run("status")
    assert reloads.run() == 3
    assert manager.status("app").watch == "on"


def test_reading_and_installing_packages_restart_nothing(reloads: Reloads, manager: Manager, root: Path) -> None:
    """W-reads, W-pycache: 8,000 events and more."""
    reloads.begin(dev("app", "waits.py", watch=root))
    (root / "app.py").read_text()
    for package in range(100):
        directory = root / "node_modules" / f"package-{package}"
        directory.mkdir(parents=True)
        for number in range(40):
            (directory / f"{number}.js").write_text("x")
    shutil.copytree(root / "node_modules" / "package-0", root / "__pycache__")
    shutil.rmtree(root / "node_modules")
    assert reloads.run() == 1
    (root / "app.py").write_text("new")
    reloads.wait(2)
    assert manager.status("app").watch == "on"


def test_what_pocketbase_writes_restarts_nothing(reloads: Reloads, manager: Manager, tmp_path: Path) -> None:
    """The data directory is what the process works in, and what is watched when nothing else is named."""
    for name in ("storage/records", "backups", "hooks"):
        (tmp_path / name).mkdir(parents=True)
    reloads.begin(child("app", "waits.py", cwd=str(tmp_path), dev_mode=True, watch_ignore=("marker",)))
    names = ("data.db", "data.db-wal", "types.d.ts", "storage/records/a.png", "backups/b.zip", ".processman/token")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    assert reloads.run() == 1
    (tmp_path / "hooks" / "main.py").write_text("1")
    reloads.wait(2)
    assert manager.status("app").watch == "on"


# what changes for ever


def test_what_changes_what_it_watches_is_watched_no_longer_until_asked(
    reloads: Reloads, manager: Manager, root: Path
) -> None:
    """W-selfwrite"""
    reloads.begin(dev("app", "writes_file.py", root / "state.json", 600, watch=root))
    for first in (1, 7):
        assert manager.status("app").watch == "on"
        status = manager.wait_for("app", lambda status: status.watch == GIVEN_UP, timeout=30)
        assert manager.wait_for("app", "running", timeout=10).run == first + 5
        (root / "app.py").write_text("new")
        assert reloads.run() == first + 5
        assert (status.last_error, manager.status("app").watch) == ("", GIVEN_UP)
        manager.restart_process("app", timeout=10)


@pytest.mark.parametrize("seconds", [5, pytest.param(30, marks=pytest.mark.soak)])
def test_steady_changes_restart_every_two_seconds_at_most(
    reloads: Reloads, manager: Manager, root: Path, seconds: int
) -> None:
    """W-steady: who goes on is taken for one that changes what it watches."""
    reloads.begin(dev("app", "waits.py", watch=root), child("editor", "writes_file.py", root / "app.py", 0.1))
    threading.Event().wait(seconds)
    manager.stop_process("editor", timeout=10)
    restarts = manager.wait_for("app", "running", timeout=10).restart_count
    assert min(5, seconds // 4) <= restarts <= seconds // 2
    assert manager.status("app").watch == ("on" if restarts < 5 else GIVEN_UP)


@pytest.mark.parametrize("cycles", [20, pytest.param(200, marks=pytest.mark.soak)])
def test_stops_and_starts_take_nothing(
    reloads: Reloads, manager: Manager, root: Path, cycles: int
) -> None:
    """W-cycles"""
    def taken() -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0

    reloads.begin(dev("app", "waits.py", watch=root))
    before = taken()
    for _ in range(cycles):
        manager.stop_process("app", timeout=10)
        manager.start_process("app", timeout=10)
    until(lambda: taken() <= before, what=f"{before}, which are now {taken()}")
    assert manager.status("app").watch == "on"
    for save in (1, 2):
        (root / "app.py").write_text(f"{save}")
        reloads.wait(cycles + 1 + save)
        assert reloads.run() == cycles + 1 + save


# whom a save concerns


def test_a_save_leaves_alone_what_is_over_and_retries_the_rest(
    reloads: Reloads, manager: Manager, root: Path
) -> None:
    """W-while-stopped: the retries would come after an hour, or never."""
    reloads.begin(
        dev("running", "waits.py", watch=root), dev("stopped", "waits.py", watch=root),
        dev("exited", "exits_with.py", 0, watch=root, restart="on-failure"),
        dev("crashed", "exits_with.py", 1, watch=root, backoff="1h", max_retries=1),
        dev("failed", "exits_with.py", 1, watch=root, max_retries=0),
        dev("never", "exits_with.py", 1, watch=root, restart="never"),
        child("untouched", "waits.py"),
    )
    manager.stop_process("stopped", timeout=10)
    ends = {"exited": "exited", "crashed": "crashed", "failed": "failed", "never": "failed"}
    for run in (1, 2, 3):  # more often than there are retries: what came before is forgiven
        for id, end in ends.items():
            expected = 1 if id == "exited" else run
            manager.wait_for(id, lambda now, run=expected, end=end: (now.run, now.status) == (run, end), timeout=10)
        if run < 3:
            (root / "app.py").write_text(f"{run}")
            reloads.wait(run + 1, "running")
    assert [reloads.run(id) for id in ("stopped", "untouched")] == [1, 1]
    assert manager.status("stopped").status == "stopped"
    manager.start_process("stopped", timeout=10)
    (root / "app.py").write_text("once more")
    reloads.wait(3, "stopped")


def test_what_could_not_start_starts_once_its_script_is_there(
    reloads: Reloads, manager: Manager, root: Path
) -> None:
    """W-while-stopped"""
    reloads.begin()
    manager.register(dev("app", str(root / "late.py"), watch=root))
    manager.wait_for("app", "failed", timeout=10)
    shutil.copy(CHILDREN / "waits.py", root / "late.py")
    wait_for_line(manager, "app", "ready")
    assert reloads.run() == 2


# roots


def a_file(base: Path) -> tuple[Path, Path]:
    return base / "root" / "app.py", base / "root" / "app.py"


def a_hidden_file(base: Path) -> tuple[Path, Path]:
    return base / "root" / ".env", base / "root" / ".env"


def a_link_to_a_directory(base: Path) -> tuple[Path, Path]:
    (base / "link").symlink_to("root")
    return base / "link", base / "root" / "app.py"


def a_link_to_a_file(base: Path) -> tuple[Path, Path]:
    (base / "link").symlink_to("root/app.py")
    return base / "link", base / "root" / "app.py"


def missing(base: Path) -> tuple[Path, Path]:
    return base / "not" / "yet" / "there", base / "not" / "yet" / "there" / "app.py"


def a_missing_file(base: Path) -> tuple[Path, Path]:
    return base / "not" / "there.py", base / "not" / "there.py"


ROOTS = [a_file, a_hidden_file, a_link_to_a_directory, a_link_to_a_file, missing, a_missing_file]


@pytest.mark.parametrize("make", ROOTS, ids=lambda make: make.__name__)
def test_a_root_may_be_anything(
    reloads: Reloads, manager: Manager, root: Path, make: Callable[[Path], tuple[Path, Path]]
) -> None:
    watch, path = make(root.parent)
    reloads.begin(dev("app", "waits.py", watch=watch))
    assert manager.status("app").watch == "on"
    (root.parent / "beside.py").write_text("new")
    assert reloads.run() == 1
    path.parent.mkdir(parents=True, exist_ok=True)
    for run in (2, 3):
        path.write_text(f"{run}")
        reloads.wait(run)
    assert reloads.run() == 3


def test_a_root_that_is_deleted_and_made_again_is_watched_again(
    reloads: Reloads, manager: Manager, root: Path
) -> None:
    reloads.begin(dev("app", "waits.py", watch=root))
    shutil.rmtree(root)
    reloads.wait(2)
    assert reloads.run() == 2
    assert manager.status("app").watch == "on"
    for run in (3, 4):
        root.mkdir(exist_ok=True)
        (root / "app.py").write_text(f"{run}")
        reloads.wait(run)
        assert reloads.run() == run
