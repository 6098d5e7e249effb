"""Evidence is read from hostile bytes: whatever they are, there is evidence, or a plain word that there is none."""

import contextlib
import json
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import CONFIG, archive, evidence, hints, listing, plain, whole_files

from borgpull.guard import Unreadable, from_json, read_evidence, read_records, still_holds, to_json
from borgpull.guard.hints import read_hints

ARCHIVES = evidence().archives


def read(files=None, archives: bytes | None = None, segments=None):
    return read_evidence(
        files=whole_files() if files is None else files,
        archives=listing(ARCHIVES) if archives is None else archives,
        segments=segments,
    )


def test_reads_what_borg_writes():
    found = read(segments={2, 6, 8, 9})
    assert found == evidence(freeable=9, used=5)


def test_segments_that_are_not_there_are_missing_and_later_ones_lie_beyond():
    found = read(segments={2, 8, 10, 11})
    assert (found.missing, found.beyond) == ((6,), 2)


@pytest.mark.parametrize("data", [b"", b"\xde\xff\xff", hints({1: 1}, version=1), hints({1: -1}), hints({1: [1]})])
def test_other_hints_are_refused(data):
    with pytest.raises(ValueError, match=r"."):
        read_hints(data)


def test_hints_are_read_though_their_shadow_index_is_cut_off():
    data = hints({1: 4, 2: 0}, {2: 17}, shadow_index={bytes(32): [1]})
    found = read_hints(data[:-20])
    assert (dict(found.live), found.freeable) == ({1: 4, 2: 0}, 17)


ODD = st.recursive(st.integers(-(2**63), 2**64 - 1) | st.binary() | st.none(), st.lists)


@given(st.binary() | st.builds(hints, st.just({}), segments=ODD))
def test_any_bytes_are_hints_or_a_value_error(data):
    with contextlib.suppress(ValueError):
        assert all(type(number) is int for pair in read_hints(data).live.items() for number in pair)


@given(st.data())
def test_damaged_files_are_evidence_or_unreadable(data):
    files = whole_files()
    for name in data.draw(st.lists(st.sampled_from(sorted(files)), unique=True, min_size=1)):
        whole = bytearray(files.pop(name).data)
        for place, byte in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)))):
            whole[place] = byte
        if data.draw(st.booleans()):
            files |= plain({name: bytes(whole[: data.draw(st.integers(0, len(whole)))])})
    try:
        read(files)
    except Unreadable as why:
        assert str(why).isprintable()


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_no_config(data):
    with pytest.raises(Unreadable):
        read(whole_files(config=data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["archives", "repository"]), inner),
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_list_of_archives_is_unreadable(data):
    with pytest.raises(Unreadable):
        read(archives=data)


@given(JSON, st.sampled_from(sorted(to_json(evidence()))))
def test_a_ledger_with_anything_in_it_is_evidence_or_unreadable(value, key):
    try:
        found = from_json(to_json(evidence()) | {key: value})
        assert isinstance(found.key, str)
        assert all(entry.seconds for entry in found.archives)
    except Unreadable:
        pass


@given(st.text(max_size=255), st.dictionaries(st.integers(0, 2**32), st.integers(0, 2**40)), st.none() | st.integers(0))
def test_evidence_comes_back_from_the_ledger_as_it_was(name, live, nonce):
    kept = evidence(archives=frozenset({archive(name), archive("b")}), live=live, nonce=nonce and nonce % 2**64)
    assert from_json(json.loads(json.dumps(to_json(kept)))) == kept


@pytest.mark.parametrize("name", ["config", "nonce", "hints.9"])
def test_only_plain_files_are_records(name):
    files = whole_files()
    with pytest.raises(Unreadable, match=rf"{name} is no plain file"):
        read(files | {name: replace(files[name], plain=False)})


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "no config"),
        ({"config": b"x" * 2_000_000, "hints.9": hints({})}, "config is too large"),
        ({"config": CONFIG.encode(), "hints.9": hints({}), "nonce": b"0" * 100}, "nonce is too large"),
        ({"config": CONFIG.encode()} | {f"hints.{number}": hints({}) for number in range(99)}, "more records"),
        ({"config": CONFIG.encode()}, "no hints"),
        ({"hints.9": hints({})}, "no config"),
        ({"config": CONFIG.encode(), "hints.9": b"\xc0"}, "hints"),
        ({"config": CONFIG.encode(), "hints.9": hints({}), "nonce": b"zz"}, "the nonce is damaged"),
    ],
)
def test_other_records_are_refused(files, why):
    with pytest.raises(Unreadable, match=why):
        read(plain(files))


def test_a_carriage_return_in_the_key_begins_a_line_as_it_does_for_borg():
    config = CONFIG.replace("a2V5\n\tbW9yZQ==", "a2V5\rmax_segment_size = 1").encode()
    assert ("max_segment_size", "1") in read(whole_files(config=config)).settings


def test_of_several_hints_the_highest_counts():
    there = {"hints.8": hints({2: 1}), "hints.9": hints({2: 40}), "hints.10": hints({2: 41})}
    found = read(plain({"config": CONFIG.encode(), **there}))
    assert (found.transaction, dict(found.live)) == (10, {2: 41})


def test_a_list_of_another_repository_is_unreadable():
    with pytest.raises(Unreadable, match="another repository"):
        read(archives=listing(ARCHIVES, id="2e" * 32))


def test_an_unchanged_repository_need_not_be_listed_again_unless_something_lies_beyond():
    kept = from_json(to_json(read(segments={2, 6, 8, 9})))
    for segments, holds in (({2, 6, 8, 9}, True), ({2, 6, 8, 9, 10}, False), ({2, 8, 9}, False)):
        assert still_holds(kept, read_records(whole_files(), segments=segments)) is holds
    for nonce, holds in ((kept.nonce + 1, True), (kept.nonce - 1, False)):
        moved = whole_files(nonce=b"%016x" % nonce)
        assert still_holds(kept, read_records(moved, segments={2, 6, 8, 9})) is holds, "a check only raises it"


def test_the_evidence_of_ten_thousand_segments_is_a_few_hundred_kilobytes():
    data = whole_files(hints_9=hints(dict.fromkeys(range(10_000), 250), dict.fromkeys(range(10_000), 400_000_000)))
    tracemalloc.start()
    found = read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data["hints.9"].data) < 300_000
    assert peak < 8_000_000
    assert len(json.dumps(to_json(found))) < 200_000


def test_hostile_names_are_kept_as_they_are_and_compared_as_such():
    names = {archive("\x1b[2J\u202e", 1), archive("\udcff[red]", 2)}
    assert read(archives=listing(names)).archives == names
    assert from_json(json.loads(json.dumps(to_json(read(archives=listing(names)))))).archives == names
