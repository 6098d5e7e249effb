"""Why a borg failed: by its message ids where it has some, by its words where it has none, by what B saw first."""

import json
import subprocess
from pathlib import Path

import pytest

from borgpull.borg.failure import explain, is_unknown, missing_borg, speaks_against_repository, unread_warning
from borgpull.borg.output import Message, Messages, read_line
from borgpull.errors import BACKUP_SERVER, CONTROLLER
from support import borg_14
from support.place import DISTRIBUTION_BORG


def messages(*said: Message | None) -> Messages:
    collected = Messages()
    for message in said:
        if isinstance(message, Message):
            collected.add(message)
    return collected


def error(kind: str, text: str = "it said") -> Messages:
    return messages(Message("ERROR", kind, text))


def plain(text: str) -> Messages:
    return messages(*(read_line(line.encode()) for line in text.splitlines()))


@pytest.mark.parametrize(
    ("kind", "party", "words"),
    [
        ("PassphraseWrong", "T web", "passphrase does not open"),
        ("LockTimeout", BACKUP_SERVER, "locked by another borg"),
        ("InvalidRepository", BACKUP_SERVER, "not a borg repository"),
        ("PathAlreadyExists", BACKUP_SERVER, "folder has other files"),
        ("PathNotAllowed", BACKUP_SERVER, "refuses the path"),
        ("InsufficientFreeSpaceError", BACKUP_SERVER, "disk is full"),
        ("StorageQuotaExceeded", BACKUP_SERVER, "quota"),
        ("RepositoryAccessAborted", "T web", "at another location"),
        ("RepositoryReplay", "T web", "newer state"),
        ("IntegrityError", BACKUP_SERVER, "damaged"),
        ("UnexpectedRPCDataFormatFromServer", BACKUP_SERVER, "prints something before"),
        ("ConnectionClosedWithHint", "T web", "lost the connection"),
    ],
)
def test_a_message_id_names_party_cause_and_remedy(kind, party, words):
    failure = explain("T web", "create", 2, error(kind))
    assert failure.party == party
    assert words in failure.cause
    assert failure.hint != ""


TRACEBACK = """\
Local Exception
Traceback (most recent call last):
  File "borg/archiver.py", line 5213, in main
BrokenPipeError: [Errno 32] Broken pipe
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TRACEBACK, "lost the connection"),
        ("OSError: [Errno 28] No space left on device: '/b/web/data/0/1'", "disk is full"),
        ("OSError: [Errno 30] Read-only file system: '/b/web/lock.roster'", "read-only"),
        ("PermissionError: [Errno 13] Permission denied: '/b/web'", "may not read or write"),
        ("usage: borg\nborg: error: unrecognized arguments: --make-parent-dirs", "too old"),
    ],
)
def test_words_are_read_where_there_is_no_message_id(text, words):
    failure = explain("T web", "create", 2, plain(text))
    assert words in failure.cause
    assert failure.hint != ""


def test_the_serve_on_the_backup_server_knows_better_than_the_client_that_lost_it():
    failure = explain("T web", "create", 2, error("ConnectionClosed"), server=error("InsufficientFreeSpaceError"))
    assert (failure.party, "disk is full" in failure.cause) == (BACKUP_SERVER, True)


OF_SERVE = """\
Traceback (most recent call last):

  File "borg/remote.py", line 240, in serve
    res = f(**args)

  File "borg/locking.py", line 291, in save
    with open(self.path, "w") as f:

{}
"""
OF_CLIENT = """\
Traceback (most recent call last):
  File "borg/archiver.py", line 5213, in main
    exit_code = archiver.run(args)
{}

"""
FULL = "OSError: [Errno 28] No space left on device"
READ_ONLY = "Failed to create/acquire the lock {0} ([Errno 30] Read-only file system: '{0}.x.tmp')."
IN_REPOSITORY, IN_CACHE = "/b/web/lock.exclusive", f"/root/.cache/borg/{64 * 'a'}/lock.exclusive"


def logged(msgid: str | None, text: str) -> Message | None:
    record = {"type": "log_message", "levelname": "ERROR", "msgid": msgid, "name": "borg.archiver", "message": text}
    return read_line(json.dumps(record).encode())


@pytest.mark.parametrize(
    ("said", "party", "words", "remedy"),
    [
        (
            [("OSError", OF_SERVE.format(FULL)), (None, "\n")],
            BACKUP_SERVER,
            "disk is full",
            "RootDir on the backup server",
        ),
        ([("Exception", "Local Exception"), (None, OF_CLIENT.format(FULL))], "T web", "disk is full", "~/.cache/borg"),
        ([("LockFailed", READ_ONLY.format(IN_REPOSITORY))], BACKUP_SERVER, "read-only", "RootDir"),
        ([("LockFailed", OF_SERVE.format(READ_ONLY.format(IN_REPOSITORY)))], BACKUP_SERVER, "read-only", "RootDir"),
        ([("LockFailed", READ_ONLY.format(IN_CACHE))], "T web", "read-only", "~/.cache"),
    ],
    ids=["B is full", "T is full", "B is read-only, to 1.4", "B is read-only, to 1.2", "T is read-only"],
)
def test_a_disk_that_takes_nothing_is_that_of_the_host_it_is_on(said, party, words, remedy):
    failure = explain("T web", "create", 2, messages(*(logged(*each) for each in said)))
    assert (failure.party, words in failure.cause, remedy in failure.hint) == (party, True, True), failure
    assert not speaks_against_repository(2, messages(*(logged(*each) for each in said)))


@pytest.mark.parametrize(
    ("status", "said", "transient"),
    [
        (-9, [], True),
        (143, [("Signal.SIGTERM", "Received signal SIGTERM.")], True),
        (129, [], True),
        (2, [("Exception", OF_SERVE.format("OSError: [Errno 5] Input/output error: '/b/web/data/0/2'"))], True),
        (2, [("Exception", "Local Exception"), (None, "MemoryError")], True),
        (
            2,
            [("Exception", "Local Exception"), (None, "BlockingIOError: [Errno 11] Resource temporarily unavailable")],
            True,
        ),
        (2, [("Exception", "Local Exception"), (None, "an error that nobody knows")], False),
    ],
)
def test_what_was_killed_or_failed_with_its_system_says_nothing_of_the_repository(status, said, transient):
    messages_of = messages(*(logged(*each) for each in said))
    assert not speaks_against_repository(status, messages_of)
    assert explain(CONTROLLER, "list", status, messages_of).transient is transient


def test_a_lock_of_borgs_own_cache_is_not_taken_for_one_of_the_repository():
    for place, party, remedy in (
        (IN_REPOSITORY, BACKUP_SERVER, "break-lock"),
        (IN_CACHE, "T web", "~/.cache/borg on a target"),
    ):
        said = messages(logged("LockTimeout", f"Failed to create/acquire the lock {place} (timeout)."))
        failure = explain("T web", "create", 2, said)
        assert (failure.party, remedy in failure.hint, failure.transient) == (party, True, True), failure


def test_a_serve_that_is_too_old_is_not_taken_for_a_lost_connection():
    refused = plain("usage: borg [-h] <command> ...\nborg: error: unrecognized arguments: --restrict-to-repository")
    failure = explain(CONTROLLER, "list", 2, error("ConnectionClosedWithHint"), server=refused)
    assert (failure.party, "too old" in failure.cause) == (BACKUP_SERVER, True)
    assert "BorgPath in [Borg.Server]" in failure.hint


def test_what_is_not_known_is_told_in_borgs_own_words_and_status():
    assert explain(CONTROLLER, "list", 2, error("", "on fire")).cause == "borg list failed (exit 2): on fire"
    assert explain(CONTROLLER, "list", -9, messages()).cause == "borg list failed (killed by signal 9)"
    assert "-v" in explain(CONTROLLER, "list", 2, error("", "on fire")).hint


def test_an_error_that_borg_did_not_foresee_is_told_without_its_headline_and_its_lines_of_code():
    said = messages(logged("Exception", "Local Exception"), logged(None, OF_CLIENT.format("KeyError: 'x'")))
    assert explain("T web", "create", 2, said).cause == "borg create failed (exit 2): KeyError: 'x'"


def test_a_missing_borg_is_told_with_how_to_install_it():
    for where, setting in ((CONTROLLER, ""), (BACKUP_SERVER, "[Borg.Server]"), ("T web", "BorgPath")):
        failure = missing_borg(where, "/x/borg")
        assert "/x/borg" in failure.cause
        assert "apt install borgbackup" in failure.hint
        assert setting in failure.hint


def repository(borg: str, folder: Path, state: str) -> tuple[str, str]:
    """Make a repository in some state; return its path and a passphrase for it."""
    place = folder / "r"
    match state:
        case "missing":
            return str(place), "right"
        case "a folder with a letter in it":
            place.mkdir()
            (place / "letter").write_text("")
            return str(place), "right"
    tell(borg, folder, "init", "--encryption=repokey-blake2", str(place), passphrase="right")
    if state == "locked":
        (place / "lock.exclusive").mkdir()
        (place / "lock.exclusive" / "other@host.1-0").touch()
    return str(place), "wrong" if state == "another passphrase" else "right"


def tell(borg: str, folder: Path, *arguments: str, passphrase: str) -> tuple[int, Messages]:
    env = {"BORG_PASSPHRASE": passphrase, "BORG_BASE_DIR": str(folder), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    argv = [borg, arguments[0], "--log-json", *arguments[1:]]
    done = subprocess.run(argv, env=env, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    said = messages(*(line for raw in done.stderr.splitlines() if (line := read_line(raw))))
    return done.returncode, said


@pytest.mark.parametrize("version", [lambda: DISTRIBUTION_BORG, borg_14], ids=["1.2", "1.4"])
@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("missing", "there is no repository"),
        ("a folder with a letter in it", "not a borg repository"),
        ("another passphrase", "passphrase does not open"),
        ("locked", "locked by another borg"),
    ],
)
def test_real_borgs_of_both_versions_are_understood(version, state, words, tmp_path):
    place, passphrase = repository(version(), tmp_path, state)
    status, said = tell(version(), tmp_path, "list", "--json", place, passphrase=passphrase)
    assert status == 2
    assert words in explain(CONTROLLER, "list", status, said).cause


def test_a_read_only_container_without_a_tmp_is_told_how_to_get_one():
    said = "FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp', '/usr/tmp', '/']"
    failure = explain(CONTROLLER, "list", 2, plain(f"Local Exception\n{said}"))
    assert failure.party == CONTROLLER
    assert "--tmpfs /tmp" in failure.hint


@pytest.mark.parametrize(("served", "cache_may_be_damaged"), [(False, True), (True, False)])
def test_what_a_serve_ran_into_does_not_cost_the_client_its_cache(served, cache_may_be_damaged):
    said = messages(Message("ERROR", "Exception", "FileNotFoundError: '/backups/web/data/0/6'", served=served))
    assert is_unknown(2, said) is cache_may_be_damaged


# How borg 1.2.4 and 1.4.5 end a traceback that nothing puts into JSON, and what sudo says of a host without its name.
ASIDE = """\
Platform: Linux web 6.1.0 #1 SMP x86_64
Linux: Unknown Linux
Borg: 1.2.4  Python: CPython 3.11.2 msgpack: 1.0.3 fuse: None [None]
PID: 4711  CWD: /root
sys.argv: ['/usr/bin/borg', 'create']
SSH_ORIGINAL_COMMAND: None

sudo: unable to resolve host web: Name or service not known
"""


def test_what_borg_says_of_its_system_and_sudo_of_the_host_is_no_cause():
    cause = explain("T web", "create", 2, plain(f"Traceback\nOddError: it is odd\n{ASIDE}")).cause
    assert cause == "borg create failed (exit 2): OddError: it is odd"
    assert explain("T web", "create", 2, plain(ASIDE)).cause == "borg create failed (exit 2)"


def test_a_warning_that_nobody_could_read_is_a_failure():
    failure = unread_warning("T web", 1, plain(f"sudo: a password is required\n{ASIDE}"))
    assert failure.cause == "borg failed, or its warning could not be read (exit 1): sudo: a password is required"
    assert "BORG_LOGGING_CONF" in failure.hint
