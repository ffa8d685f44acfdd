"""README.zh.md says what README.md says: the same headings, commands, tables, code and links, in Chinese."""
from __future__ import annotations

import re
from collections import Counter
from itertools import zip_longest

import pytest
from support import ROOT

ENGLISH, CHINESE = ((ROOT / name).read_text() for name in ("README.md", "README.zh.md"))
#: a fenced block with what names it
_BLOCK = re.compile(r"^(?:<!-- [^\n]* -->\n)?```\w+\n.*?^```$", re.M | re.S)
_COMMENT = re.compile(r"(?m)(?: +|^)# .*")
_CODE = re.compile(r"`[^`]+`")
_LINK = re.compile(r"\]\(([^)#]+)\)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_PUNCTUATION = re.compile(r"[\u4e00-\u9fff] ?[,;:?!()]|[,;:?!()] ?[\u4e00-\u9fff]")
_UNSPACED = re.compile(r"[\u4e00-\u9fff][A-Za-z0-9`]|[A-Za-z0-9`][\u4e00-\u9fff]")


def prose(text: str) -> str:
    """Return *text* without its blocks."""
    return _BLOCK.sub("```", text)


def outline(text: str) -> list[str]:
    """Return what a document is made of, in order: headings by level, blocks, rows, items and paragraphs."""
    kinds = []
    for paragraph in re.split(r"\n\n+|\n(?=[-|])", prose(text)):
        first = re.match(r"#+|```|\||- |", paragraph)
        kinds.append(first[0] if first else "")
    return kinds


def rows(text: str) -> list[str]:
    return re.findall(r"^\|.*\|$", prose(text), re.M)


def code_of(row: str) -> tuple[int, Counter[str], Counter[str]]:
    """Return what is the same in any language: how many cells, and which code and numbers."""
    return row.replace("\\|", "").count("|"), Counter(_CODE.findall(row)), Counter(_NUMBER.findall(row))


def test_it_has_the_same_parts_in_the_same_order() -> None:
    assert outline(CHINESE) == outline(ENGLISH)


def test_its_code_is_the_same_but_for_comments() -> None:
    """Commands are blocks, too."""
    pairs = zip_longest(_BLOCK.findall(ENGLISH), _BLOCK.findall(CHINESE))
    assert not [(ours, theirs) for ours, theirs in pairs
                if not ours or not theirs or _COMMENT.sub("", ours) != _COMMENT.sub("", theirs)]


def test_its_comments_are_in_chinese() -> None:
    comments = [comment for block in _BLOCK.findall(CHINESE) for comment in _COMMENT.findall(block)]
    assert not [comment for comment in comments if not re.search("[\u4e00-\u9fff]", comment)]


def test_its_rows_name_the_same_things() -> None:
    pairs = zip_longest(rows(ENGLISH), rows(CHINESE), fillvalue="")
    assert not [(ours, theirs) for ours, theirs in pairs if code_of(ours) != code_of(theirs)]


def test_each_paragraph_names_the_same_things() -> None:
    parts = (re.split(r"\n\n+|\n(?=[-|])", prose(text)) for text in (ENGLISH, CHINESE))
    pairs = zip_longest(*parts, fillvalue="")
    assert not [(ours, theirs) for ours, theirs in pairs if code_of(ours)[1] != code_of(theirs)[1]]


def test_its_links_lead_to_the_same_pages() -> None:
    ours, theirs = _LINK.findall(ENGLISH), _LINK.findall(CHINESE)
    assert Counter(theirs) - Counter(ours) == Counter(["README.md"])
    assert Counter(ours) - Counter(theirs) == Counter(["README.zh.md"])


@pytest.mark.parametrize(("what", "pattern"), [("half-width punctuation", _PUNCTUATION), ("no space", _UNSPACED)])
def test_it_is_set_as_chinese_is(what: str, pattern: re.Pattern[str]) -> None:
    """Chinese with its own punctuation, and a space between it and Latin."""
    text = re.sub(r"\]\([^)]*\)|\[", "", prose(CHINESE))
    assert not pattern.findall(text), what
