"""What the system refuses is a failure of the controller with its reason; anything unforeseen is a defect."""

import errno

import pytest

from borgpull.errors import CONTROLLER, Failure, TamperedError, failure_of

REASONS = {
    errno.EMFILE: ("no file descriptors left", "LimitNOFILE", True),
    errno.ENFILE: ("machine has no file descriptors", "fs.file-max", True),
    errno.EAGAIN: ("could not start another process", "TasksMax", True),
    errno.ENOMEM: ("no memory left", "lower Jobs", True),
    errno.ENOSPC: ("no space left: /run/x", "df -h", False),
    errno.EDQUOT: ("no space left: /run/x", "df -h", False),
    errno.EACCES: ("permission denied: /run/x", "this user", False),
    errno.EPERM: ("permission denied: /run/x", "this user", False),
    errno.EROFS: ("read-only: /run/x", "dmesg", False),
    errno.EIO: ("the disk failed: /run/x", "dmesg", False),
    errno.ENOENT: ("no such file or folder: /run/x", "removed it", False),
    errno.ELOOP: ("Too many levels of symbolic links: /run/x, at test_errors.py:", "dmesg", False),
}


@pytest.mark.parametrize("number", REASONS)
def test_what_the_system_refuses_is_named_by_its_reason(number):
    words, hint, transient = REASONS[number]
    failure = failure_of(raised(OSError(number, "words of the system", "/run/x")))
    assert failure.party == CONTROLLER
    assert words in failure.cause
    assert hint in failure.hint
    assert failure.transient is transient


def test_a_refusal_about_no_file_names_none():
    assert failure_of(BlockingIOError(errno.EAGAIN, "again")).cause == "it could not start another process"


@pytest.mark.parametrize("error", [KeyError("a secret"), TimeoutError(), OSError("a secret")])
def test_anything_else_is_a_defect_named_by_its_place_and_not_its_text(error):
    failure = failure_of(raised(error))
    assert failure.cause.startswith(f"internal error: {type(error).__name__} at test_errors.py:")
    assert "secret" not in f"{failure}{failure.hint}"
    assert "defect" in failure.hint


def test_a_failure_stays_what_it_is_also_in_a_group():
    tampered = TamperedError("target web", "it was", findings=(), hint="look")
    assert failure_of(ExceptionGroup("", [ExceptionGroup("", [tampered])])) is tampered


def test_a_failure_of_several_parties_is_each_ones_own_but_for_the_controllers():
    failure = Failure("target web", "lost", hint="look", detail="said", transient=True).of("target mail")
    assert (str(failure), failure.hint, failure.detail, failure.transient) == (
        "target mail: lost",
        "look",
        "said",
        True,
    )
    assert Failure(CONTROLLER, "out of memory", hint="").of("target mail").party == CONTROLLER


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught
