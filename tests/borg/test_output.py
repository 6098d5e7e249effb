"""Borg's lines as 1.2.4 and 1.4.5 print them, and everything else that a hostile T may print in their place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.borg.output import MOST_MESSAGES, Archive, Created, Message, Messages, Percent, read_created, read_line
from borgpull.untrusted import LONGEST, clean

ID = "d488a98a3fb2f4c186de5f70b1e31342bd7cb09561fbfb1f91ea14e21b761136"
# The same in both versions, where not said otherwise.
RECORDED = [
    (
        b'{"original_size": 2000012, "compressed_size": 120, "deduplicated_size": 117, "nfiles": 2, "path": "src/a", '
        b'"time": 1795391104.2339559, "type": "archive_progress", "finished": false}',
        Created(2000012, 117, 2, "src/a"),
    ),
    (b'{"time": 1795391104.2725081, "type": "archive_progress", "finished": true}', None),
    (
        b'{"message": "Checking segments 20.0%", "current": 3, "total": 10, "info": null, "operation": 1, "msgid": '
        b'"repository.check", "type": "progress_percent", "finished": false, "time": 1795391105.5125263}',
        Percent(3, 10, "Checking segments"),
    ),
    (
        b'{"operation": 1, "msgid": "repository.check", "type": "progress_percent", "finished": true, "time": 1.5}',
        None,
    ),
    (
        b'{"message": "Saving files cache", "operation": 2, "msgid": "cache.commit", "type": "progress_message", '
        b'"finished": false, "time": 1795391104.3878713}',
        None,
    ),
    (  # 1.2.4
        b'{"type": "log_message", "time": 1795391104.2723281, "message": "/nowhere: [Errno 2] No such file or '
        b'directory: \'nowhere\'", "levelname": "WARNING", "name": "borg.archiver"}',
        Message("WARNING", "", "/nowhere: [Errno 2] No such file or directory: 'nowhere'"),
    ),
    (  # 1.4.5
        b'{"type": "log_message", "time": 1.5, "message": "/nowhere: stat: [Errno 2] No such file or directory: '
        b'\'nowhere\'", "levelname": "WARNING", "name": "borg.archiver", "msgid": '
        b'"BackupFileNotFoundError"}',
        Message("WARNING", "BackupFileNotFoundError", "/nowhere: stat: [Errno 2] No such file or directory: 'nowhere'"),
    ),
    (
        b'{"type": "log_message", "time": 1795391102.520598, "message": "Repository /b/web does not exist.", '
        b'"levelname": "ERROR", "name": "borg.archiver", "msgid": "Repository.DoesNotExist"}',
        Message("ERROR", "DoesNotExist", "Repository /b/web does not exist."),
    ),
    (
        b'{"type": "log_message", "time": 1795391117.2504559, "message": "Passphrase supplied in BORG_PASSPHRASE, by '
        b'BORG_PASSCOMMAND, or via BORG_PASSPHRASE_FD is incorrect.", "levelname": "ERROR", "name": "borg.archiver", '
        b'"msgid": "PassphraseWrong"}',
        Message(
            "ERROR",
            "PassphraseWrong",
            "Passphrase supplied in BORG_PASSPHRASE, by BORG_PASSCOMMAND, or via BORG_PASSPHRASE_FD is incorrect.",
        ),
    ),
    (
        b'{"type": "log_message", "time": 1.5, "message": "compaction freed about 6.31 kB repository space.", '
        b'"levelname": "INFO", "name": "borg.repository"}',
        Message("INFO", "", "compaction freed about 6.31 kB repository space."),
    ),
    (b"borg: error: unrecognized arguments: --x", Message("PLAIN", "", "borg: error: unrecognized arguments: --x")),
    (b"sh: 1: borg: not found", Message("PLAIN", "", "sh: 1: borg: not found")),
    (b'{"level":"error","msg":"no leader"}', Message("PLAIN", "", '{"level":"error","msg":"no leader"}')),  # etcdctl
    (b"/usr/lib/python3.11/getpass.py:91: GetPassWarning: Can not control echo on the terminal.", None),
    (b"  passwd = fallback_getpass(prompt, stream)", None),
    (b"Warning: Password input may be echoed.", None),
    (b"Enter passphrase for key ssh://borg-server//home/backups/web: ", None),
    (b"", None),
    (b"   \r", None),
]


@pytest.mark.parametrize(("line", "meaning"), RECORDED)
def test_lines_of_borg_are_understood(line, meaning):
    assert read_line(line) == meaning


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(["archive_progress", "progress_percent", "log_message", "question_prompt", "file_status"])
KEYS = ["original_size", "deduplicated_size", "nfiles", "path", "current", "total", "message", "msgid", "levelname"]
RECORDS = st.builds(
    lambda kind, rest: {"type": kind} | rest, TYPES | JSON, st.dictionaries(st.sampled_from(KEYS), JSON)
)


@given(st.binary(max_size=300) | RECORDS.map(lambda record: json.dumps(record).encode()))
def test_any_line_is_taken_and_none_is_believed(line):
    match read_line(line):
        case Created(original_size, deduplicated_size, files, path):
            assert all(0 <= number < 1 << 62 for number in (original_size, deduplicated_size, files))
            texts = [path]
        case Percent(current, total, text):
            assert 0 <= current <= total
            assert total > 0
            texts = [text]
        case Message(level, kind, text):
            texts = [level, kind, text]
        case nothing:
            assert nothing is None
            texts = []
    assert all(len(text) <= LONGEST and clean(text) == text for text in texts)


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b"{" * 100_000,
        b'{"a":' * 50_000,
        b'{"type": "archive_progress", "original_size": 1e999}',
        b'{"type": "progress_percent", "total": ' + b"9" * 5000 + b"}",
        b'{"type": ["log_message"]}',
        b'{"type": "log_message", "message": "\\ud800"}',
        b"\xff\xfe{",
    ],
)
def test_lines_made_to_break_a_parser_break_nothing(line):
    read_line(line)
    read_created(line)


def test_a_flood_of_messages_is_counted_and_not_kept():
    said = Messages()
    for number in range(5 * MOST_MESSAGES):
        said.add(Message("WARNING", "", f"w{number}"))
        said.add(Message("ERROR", "LockTimeout" if number else "PassphraseWrong", f"e{number}"))
        said.add(Message("INFO", "", f"i{number}"))
    assert said.warned == 5 * MOST_MESSAGES
    assert [len(kept) for kept in (said.warnings, said.errors, said.others)] == [MOST_MESSAGES] * 3
    assert (said.warnings[0].text, said.errors[0].text) == ("w0", "e0")
    assert said.others[-1].text == f"i{5 * MOST_MESSAGES - 1}", "the last word is what a traceback ends with"
    assert said.kinds()[0] == "PassphraseWrong"


def record(**changes) -> bytes:
    stats = {"compressed_size": 3, "deduplicated_size": 2, "nfiles": 7, "original_size": 10}
    archive = {"name": "snapshot-2026-11-22T23:45:04", "id": ID, "stats": stats} | changes
    return json.dumps({"archive": archive, "encryption": {"mode": "repokey-blake2"}}, indent=4).encode()


def test_the_record_of_an_archive_is_read():
    assert read_created(record()) == Archive("snapshot-2026-11-22T23:45:04", ID, 10, 2, 7)
    assert read_created(b"Welcome to this host\n" + record()) == read_created(record())


@pytest.mark.parametrize(
    "stdout",
    [
        b"",
        b"no record",
        b"{",
        b"{}",
        b'{"archive": 1}',
        b'{"archive": {"name": "x"}}',
        b'{"archive": []}',
        record(id="short"),
        record(id=ID.upper()),
        record(id=ID + "\n"),
        record(id=5),
        record(name=None),
        record(stats=None),
        record(stats=[1]),
    ],
)
def test_what_is_no_record_of_an_archive_is_not_taken_for_one(stdout):
    assert read_created(stdout) is None


@given(st.binary(max_size=200) | JSON.map(lambda archive: json.dumps({"archive": archive}).encode()))
def test_any_stdout_is_taken(stdout):
    read_created(stdout)


def test_sizes_that_cannot_be_are_nothing():
    stats = {"original_size": -5, "deduplicated_size": True, "nfiles": 1 << 80}
    assert read_created(record(stats=stats)) == Archive("snapshot-2026-11-22T23:45:04", ID, 0, 0, 0)
