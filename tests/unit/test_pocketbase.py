"""What the command line of PocketBase says, and what is hidden of its output."""
from __future__ import annotations

from pathlib import Path

import pytest

from processman.journal import Journal
from processman.lines import Block
from processman.pocketbase.link import InstallLink
from processman.pocketbase.serving import Serving

HERE = str(Path("pb_data").absolute())
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6IngifQ.7MZxT-I_tN1T"
LINE = f"http://127.0.0.1:8090/_/#/pbinstall/{TOKEN}\n".encode()
HIDDEN = "http://127.0.0.1:8090/_/#/pbinstall/****"


@pytest.mark.parametrize(("line", "host", "port", "public"), [
    ("serve", "127.0.0.1", 8090, 8090),
    ("serve --http 127.0.0.1:9000", "127.0.0.1", 9000, 9000),
    ("serve --http=0.0.0.0:9000 --dev", "127.0.0.1", 9000, 9000),
    ("--http=:9000 serve", "127.0.0.1", 9000, 9000),
    ("serve --http=[::1]:9000", "::1", 9000, 9000),
    ("serve --http=[::]:9000", "::1", 9000, 9000),
    ("serve --http=a:1 --http b:2", "b", 2, 2),
    ("serve --http=:80 --https :443", "127.0.0.1", 80, 443),
    ("serve example.com www.example.com", "127.0.0.1", 80, 443),
    ("serve --origins example.com --hooksPool 4", "127.0.0.1", 8090, 8090),
    ("serve example.com --http=127.0.0.1:9000 --https=127.0.0.1:9443", "127.0.0.1", 9000, 9443),
])  # fmt: skip
def test_the_address_is_known(line: str, host: str, port: int, public: int) -> None:
    serving = Serving.of(["./pocketbase", *line.split()])
    assert (serving.host, serving.port, serving.public_port) == (host, port, public)


@pytest.mark.parametrize(("line", "given", "argv", "directory"), [
    ("pb serve", None, f"pb serve --dir {HERE}", "pb_data"),
    ("pb serve --http", None, f"pb serve --dir {HERE} --http", "pb_data"),
    ("gosu app pb serve x.org", "/data", "gosu app pb serve --dir /data x.org", "/data"),
    ("pb serve --dir data", None, "pb serve --dir data", "data"),
    ("pb --dir=/data serve", "/data", "pb --dir=/data serve", "/data"),
])
def test_the_data_directory_is_named(line: str, given: str | None, argv: str, directory: str) -> None:
    serving = Serving.of(line.split(), Path(given) if given else None)
    assert " ".join(serving.argv) == argv
    assert serving.data_dir == Path(directory)


def test_the_hooks_are_found() -> None:
    assert Serving.of(["pb", "serve"], Path("/srv/pb_data")).hooks_dir == Path("/srv/pb_hooks")
    assert Serving.of(["pb", "serve", "--hooksDir=h"], Path("/srv/pb_data")).hooks_dir == Path("h")


@pytest.mark.parametrize("line", [
    "", "pb", "serve", "pb superuser upsert a b", "pb serve --http :0", "pb serve --http=9000",
    "pb serve --http a:b", "pb serve --https=:99999", "pb serve --dir /other",
])  # fmt: skip
def test_what_cannot_be_used_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match="PocketBase"):
        Serving.of(line.split(), Path("/data"))


@pytest.mark.parametrize("cut", range(1, len(LINE)))
def test_the_token_is_kept_nowhere_wherever_a_read_ends(cut: int) -> None:
    link, journal = InstallLink(), Journal("pocketbase")
    journal.hide = link.hide
    journal.append("stdout", 1, [], LINE[:cut])
    waiting = "".join(line.content for line in journal.tail(10))
    assert "pbinstall/eyJ" not in waiting
    journal.append("stdout", 1, [Block(LINE + b"next\n", 2)])
    assert [line.content for line in journal.tail(10)] == [HIDDEN, "next"]
    assert link.show(HIDDEN) == LINE.decode().rstrip()
    assert link.show(HIDDEN) == HIDDEN


def test_other_lines_are_not_altered() -> None:
    link = InstallLink()
    assert link.hide(b"a line with eyJhbGci.x.y in it\n") == b"a line with eyJhbGci.x.y in it\n"
    assert link.show("another") == "another"
