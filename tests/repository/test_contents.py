"""What a restore would write, looked at before any of it is: an archive that T made to write elsewhere is refused."""

import asyncio
import dataclasses

import pytest
from one_item import ITEM

from borgpull.errors import Failure
from borgpull.restore.contents import Contents


def of(*items, patterns=()):
    contents = Contents(patterns)
    for kind, path, *link in items:
        asyncio.run(contents.add(dataclasses.replace(ITEM, kind=kind, path=path, link="".join(link))))
    return contents


@pytest.mark.parametrize(
    "items",
    [
        [("l", "x", "/etc"), ("-", "x/passwd")],
        [("-", "x/passwd"), ("l", "x", "/etc")],
        [("d", "x"), ("l", "x", "/etc"), ("-", "x/y/passwd")],
        [("-", "a/../../etc/passwd")],
        [("-", "../etc/passwd")],
        [("-", "/etc/passwd")],
        [("-", "a//b")],
        [("h", "x", "../../etc/shadow")],
        [("h", "x", "/etc/shadow")],
        [("l", "x", "/etc"), ("h", "mine", "x/shadow")],
        [("l", "x", "/etc"), ("h", "twin", "x"), ("-", "twin/passwd")],
    ],
)
def test_an_archive_that_would_write_or_link_outside_of_the_folder_is_a_trap(items):
    with pytest.raises(Failure, match="is a trap"):
        of(*items).refuse_traps("T web", "snapshot")


def test_an_honest_archive_is_none():
    honest = of(("d", "etc"), ("-", "etc/a"), ("h", "etc/b", "etc/a"), ("l", "etc/up", "../.."), ("d", "."))
    honest.refuse_traps("T web", "snapshot")
    assert (honest.items, honest.tops) == (5, [".", "etc"])


def test_the_topmost_paths_are_those_with_nothing_of_the_archive_above_them():
    assert of(("-", "b/c/d"), ("d", "b/c"), ("d", "a"), ("-", "a/x")).tops == ["a", "b/c"]
    assert of(("-", "a/1"), ("-", "a/2")).tops == ["a/1", "a/2"]


@pytest.mark.parametrize(
    ("patterns", "unmatched"),
    [
        (("/etc", "/nowhere"), ["/nowhere"]),
        (("etc/", "./etc//passwd"), []),
        (("et",), ["et"]),
        (("sh:**/nothing", "/etc"), []),
        (("/",), []),
    ],
)
def test_paths_that_match_nothing_are_known_and_patterns_are_left_to_borg(patterns, unmatched):
    assert of(("d", "etc"), ("-", "etc/passwd"), patterns=patterns).unmatched == unmatched


def test_of_nothing_at_all_every_pattern_is_unmatched():
    assert of(patterns=("sh:**/x", "/y")).unmatched == ["sh:**/x", "/y"]
