"""What T's borg prints: whatever the lines are, each is a few short words, and all of them together fill no memory."""

import json

import pytest
from bounds import MEGABYTE, fewer, in_linear_time, is_shown_safely, within_memory
from hostile_bytes import ESCAPES, damaged, json_texts, repeated
from hypothesis import given
from hypothesis import strategies as st

from borgpull.borg.failure import explain, speaks_against_repository
from borgpull.borg.output import Created, Message, Messages, Percent, read_created, read_line
from borgpull.process import LONGEST_LINE, MOST_OUTPUT

NAMES = ["type", "levelname", "name", "msgid", "message", "original_size", "nfiles", "path", "current", "total", "time"]
TYPES = ["archive_progress", "progress_percent", "log_message", "question_prompt", "file_status"]
ID = "1c21777534ef2c943eb1cfec26ed366106c0c74b041426dc53ba68158f051b37"
SAID = json.dumps({"type": "log_message", "levelname": "ERROR", "msgid": "Repository.DoesNotExist", "message": ESCAPES})
CREATED = json.dumps(
    {
        "archive": {
            "name": "snapshot-1",
            "id": ID,
            "stats": {"original_size": 10, "deduplicated_size": 2, "nfiles": 7},
            "command_line": [ESCAPES],
        }
    },
    indent=4,
)
SCRAPS = [b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b"1e999", b'"\\ud800"', b"\xff", b"\n", b"9" * 4999, b"NaN"]
REPEATED = [
    b"[",
    b"{",
    b'{"":',
    b'"',
    b"\\",
    b"\\u0041",
    b"[],",
    b"{},",
    b"0,",
    b'"a",',
    b" ",
    b"9",
    b"1e",
    b"-",
    b"\x1b",
]


def texts_of(line: Created | Percent | Message | None) -> list[str]:
    match line:
        case Created(original_size, deduplicated_size, files, path):
            assert all(0 <= number < 1 << 62 for number in (original_size, deduplicated_size, files))
            return [path]
        case Percent(current, total, text):
            assert 0 <= current <= total < 1 << 62
            return [text]
        case Message(level, kind, text):
            return [level, kind, text]
    assert line is None
    return []


def typed(texts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    heads = st.sampled_from([b'{"type":"%b",' % kind.encode() for kind in TYPES] + [b'{"type":', b"", b"\xef\xbb\xbf"])
    fields = st.lists(st.tuples(st.sampled_from(NAMES), texts), max_size=6)
    joined = fields.map(lambda found: b",".join(b'"%b":%b' % (name.encode(), value) for name, value in found))
    return st.builds(lambda head, body: head + body + b"}", heads, joined)


LINES = typed(json_texts(NAMES)) | damaged(SAID.encode(), SCRAPS)


@given(LINES)
def test_a_line_becomes_a_few_short_words(line):
    assert all(is_shown_safely(text) for text in texts_of(read_line(line)))


@given(st.lists(LINES, max_size=8), st.lists(LINES, max_size=3), st.integers(-64, 255))
def test_whatever_was_said_there_is_a_cause_that_can_be_shown(lines, server_lines, status):
    said, served = Messages(), Messages()
    for messages, heard in ((said, lines), (served, server_lines)):
        for line in heard:
            if isinstance(read := read_line(line), Message):
                messages.add(read)
    failure = explain("T web", "create", status, said, server=served)
    assert is_shown_safely(failure.cause, longest=600)
    assert all(is_shown_safely(line) for line in failure.detail.split("\n"))
    assert speaks_against_repository(status, said, server=served) in (True, False)


@fewer(4)
@given(repeated(REPEATED, LONGEST_LINE), st.sampled_from([b"", b'{"type":"log_message","message":', b'{"type":']))
def test_the_longest_line_costs_what_its_length_costs(data, begun):
    with within_memory(8 * MEGABYTE), in_linear_time():
        read_line((begun + data)[:LONGEST_LINE])


@given(
    st.sampled_from([b"", b"Welcome {\n"]),
    damaged(CREATED.encode(), SCRAPS) | json_texts(["archive", "stats", "id", "name"]),
)
def test_the_record_of_an_archive_is_one_or_none(before, data):
    if (found := read_created(before + data)) is not None:
        assert is_shown_safely(found.name)
        assert is_shown_safely(found.archive_id, longest=64)
        assert all(0 <= size < 1 << 62 for size in (found.original_size, found.deduplicated_size, found.files))


@fewer(10)
@given(repeated(REPEATED, MOST_OUTPUT), st.sampled_from([b"", b'{"archive":', b'{"archive":{"stats":{"a":']))
def test_the_longest_output_costs_what_its_length_costs(data, begun):
    with within_memory(96 * MEGABYTE), in_linear_time():
        read_created((begun + data)[:MOST_OUTPUT])


@pytest.mark.parametrize("level", ["WARNING", "ERROR", "INFO", "\U0001f422" * 600])
def test_a_flood_of_long_messages_fills_no_memory(level):
    fields = dict.fromkeys(("msgid", "message"), "\U0001f422" * 600)
    line = json.dumps({"type": "log_message", "levelname": level} | fields).encode()
    said = Messages()
    with within_memory(4 * MEGABYTE):
        for _ in range(700):
            said.add(read_line(line))
        explain("T web", "create", 2, said)
