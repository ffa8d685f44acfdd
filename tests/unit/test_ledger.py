from __future__ import annotations

import logging
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from processman import private
from processman.ledger import Ledger, Recorded, leftovers

INSTANCE = "0123456789abcdef"

HOLD = """
import sys, time
from pathlib import Path
from processman.ledger import Ledger
ledger = Ledger.open(Path(sys.argv[1]), "killed-instance")
ledger.record(0, "web", 4021, 1732456789.25)
ledger.record(1, "worker", 4022, 1732456789.5)
ledger.clear(1)
ledger.record(3, "last", 4023, 1732456790.75)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path):
    """Where ledgers are, made beforehand."""
    return private.folder(private.home(tmp_path, make=True) / "ledger", make=True)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def holder(tmp_path):
    """A process that holds a ledger in *tmp_path*."""
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def test_a_killed_holder_leaves_what_it_recorded(holder, tmp_path, folder):
    """H-kill9: the lock goes with the process, the records stay."""
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with leftovers(tmp_path) as found:
        (one,) = found
        assert (one.instance, one.pid) == ("killed-instance", holder.pid)
        assert one.processes == (
            Recorded("web", 4021, 1732456789.25), Recorded("last", 4023, 1732456790.75),
        )  # fmt: skip
        assert names(folder) == ["killed-instance"]
        one.forget()
    assert names(folder) == []


def test_what_is_not_forgotten_is_found_again(holder, tmp_path):
    holder.kill()
    holder.wait()
    with leftovers(tmp_path) as first:
        assert len(first) == 1
    with leftovers(tmp_path) as second:
        assert second == first


def test_a_live_holder_is_left_alone(holder, tmp_path, folder):
    """H-two-managers"""
    with leftovers(tmp_path) as found:
        assert found == ()
    assert names(folder) == ["killed-instance"]


def test_a_live_holder_in_the_same_process_is_left_alone(tmp_path):
    ledger = Ledger.open(tmp_path, INSTANCE)
    with leftovers(tmp_path) as found:
        assert found == ()
    ledger.close()


def test_two_cannot_end_the_same_leftovers(holder, tmp_path):
    holder.kill()
    holder.wait()
    with leftovers(tmp_path) as first, leftovers(tmp_path) as second:
        assert len(first) == 1
        assert second == ()


def test_closing_removes_the_file(tmp_path, folder):
    ledger = Ledger.open(tmp_path, INSTANCE)
    assert names(folder) == [INSTANCE]
    ledger.close()
    ledger.close()
    ledger.record(0, "late", 5, 1.5)
    assert names(folder) == []


def test_files_are_closed_to_others(tmp_path):
    ledger = Ledger.open(tmp_path, INSTANCE)
    home = tmp_path / ".processman"
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (home, home / "ledger", home / "ledger" / INSTANCE)]
    assert modes == [0o700, 0o700, 0o600]
    ledger.close()


def test_a_forked_copy_does_not_keep_the_lock(tmp_path):
    ledger = Ledger.open(tmp_path, INSTANCE)
    forked, go = os.pipe(), os.pipe()
    if not (child := os.fork()):  # pragma: no cover
        os.close(go[1])
        os.write(forked[1], b"x")
        os.read(go[0], 1)
        os._exit(0)
    try:
        os.read(forked[0], 1)
        ledger.abandon()
        with leftovers(tmp_path) as found:
            assert [one.instance for one in found] == [INSTANCE]
    finally:
        for end in (*forked, *go):
            os.close(end)
        os.waitpid(child, 0)


def test_without_a_data_directory_nothing_is_written(tmp_path):
    ledger = Ledger.open(tmp_path / "pb_data", INSTANCE)
    ledger.record(0, "web", 4021, 1.5)
    ledger.close()
    assert list(tmp_path.iterdir()) == []
    with leftovers(tmp_path / "pb_data") as found:
        assert found == ()


GOOD = f"processman-ledger 1 {INSTANCE} 77\n"


@pytest.mark.parametrize("data", [
    b"", b"\0" * 4096, b"\xff\xfe\n" * 50, b"[1, 2]\n", b"processman-ledger 2 0123456789abcdef 77\n",
    b"processman-ledger 1  77\n", b"processman-ledger 1 short 77\n",
    b"processman-ledger 1 ../../../../x 77\n",
], ids=str)  # fmt: skip
def test_a_damaged_file_is_reported_and_removed(data, tmp_path, folder, caplog):
    (folder / "damaged").write_bytes(data)
    with leftovers(tmp_path) as found:
        assert found == ()
    assert "damaged" in caplog.text
    assert names(folder) == []


@pytest.mark.parametrize("line", [
    "", "0 5.5 web", "1 5.5 web", "-4 5.5 web", "40 nan web", "40 inf web", "40 5 web", "40 5.5",
    "40 5.5 ../x", "99999999999 5.5 web", "40 5.5 we", "40 5.5 -rf", "x" * 5000,
])  # fmt: skip
def test_a_damaged_record_is_passed_over(line, tmp_path, folder):
    (folder / INSTANCE).write_text(f"{GOOD}{line}\n 41 6.5 other \n")
    with leftovers(tmp_path) as found:
        processes = found[0].processes
    assert processes[-1] == Recorded("other", 41, 6.5)
    assert processes[:-1] == ((Recorded("we", 40, 5.5),) if line == "40 5.5 we" else ())


def make_link(path, other):
    (other / "file").write_text(GOOD)
    path.symlink_to(other / "file")


def make_fifo(path, _other):
    os.mkfifo(path, 0o600)


def make_directory(path, _other):
    path.mkdir()


@pytest.mark.parametrize("make", [make_link, make_fifo, make_directory])
def test_what_is_no_file_of_ours_is_reported_and_left(make, tmp_path, folder, caplog):
    """S17: nothing is followed, waited for or removed."""
    other = tmp_path / "other"
    other.mkdir()
    make(folder / "odd", other)
    with leftovers(tmp_path) as found:
        assert found == ()
    assert "cannot use the ledger" in caplog.text
    assert names(folder) == ["odd"]


def spoil_with_link(tmp_path):
    (tmp_path / "other").mkdir(mode=0o700)
    (tmp_path / ".processman").symlink_to(tmp_path / "other")


def spoil_with_mode(tmp_path):
    (tmp_path / ".processman").mkdir(mode=0o700)
    (tmp_path / ".processman").chmod(0o770)


def spoil_with_file(tmp_path):
    (tmp_path / ".processman").write_text("")


def spoil_inside(tmp_path):
    spoil_with_mode(tmp_path)
    (tmp_path / ".processman").chmod(0o700)
    (tmp_path / "other").mkdir(mode=0o700)
    (tmp_path / ".processman" / "ledger").symlink_to(tmp_path / "other")


@pytest.mark.parametrize(("spoil", "why"), [
    (spoil_with_link, "not a directory"), (spoil_with_mode, "open to others"),
    (spoil_with_file, "not a directory"), (spoil_inside, "not a directory"),
])  # fmt: skip
def test_a_directory_that_is_not_ours_alone_is_not_used(spoil, why, tmp_path, caplog):
    """S17: the ledger is not kept, and a warning says why; nothing raises."""
    spoil(tmp_path)
    ledger = Ledger.open(tmp_path, INSTANCE)
    ledger.record(0, "web", 4021, 1.5)
    ledger.close()
    with leftovers(tmp_path) as found:
        assert found == ()
    assert [why in record.getMessage() for record in caplog.records] == [True, True]
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p.name != ".processman"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_not_used(tmp_path, caplog):
    (tmp_path / ".processman").mkdir(mode=0o700)
    os.chown(tmp_path / ".processman", 12345, -1)
    Ledger.open(tmp_path, INSTANCE).close()
    assert "somebody else" in caplog.text


def test_a_full_disk_is_a_warning(tmp_path, monkeypatch, caplog):
    """R-diskfull: a supervisor goes on."""
    ledger = Ledger.open(tmp_path, INSTANCE)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with caplog.at_level(logging.WARNING):
        ledger.record(0, "web", 4021, 1.5)
    assert "No space left" in caplog.text
    ledger.close()
    Ledger.open(tmp_path, "another-instance").close()
    assert "cannot keep a ledger" in caplog.text
    assert names(tmp_path / ".processman" / "ledger") == []


def test_a_text_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "state.json"
    private.write(path, "one" * 1000)
    private.write(path, "two")
    assert private.read(path) == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(tmp_path) == ["state.json"]


def test_a_link_is_neither_read_nor_written_through(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("secret")
    link.symlink_to(target)
    with pytest.raises(OSError, match="link"):
        private.read(link)
    private.write(link, "new")
    assert (target.read_text(), link.read_text(), link.is_symlink()) == ("secret", "new", False)
