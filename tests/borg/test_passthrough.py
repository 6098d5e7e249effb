"""Which borg commands of an operator go through, and what is said to the others."""

import pytest

from borgpull.borg.passthrough import read_words
from borgpull.errors import UsageError


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["--lock-wait", "5", "list", "--short"],
        ["diff", "::a1", "a2", "x::y"],
        ["list", "--", "::a1", "ssh://no/repository"],
        ["with-lock", "::", "rsync", "host::module", "/x"],
        ["create", "--comment=a::b", "::new", "/etc"],
        ["check", "--repair"],
        ["key", "export", "::", "file"],
        ["--version"],
        ["--lock-wait"],
    ],
)
def test_what_is_borgs_goes_to_borg_as_it_stands(words):
    given = read_words(words, full_access=False)
    assert given.arguments == tuple(words)
    assert not given.asks


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["--rsh", "ssh", "list"], "--rsh: borgpull itself connects borg"),
        (["list", "--rs=ssh"], "--rs: borgpull itself connects borg"),
        (["list", "--remote-path", "borg1"], "--remote-path: borgpull itself"),
        (["delete", "::old", "--full-access"], "--full-access is not an option of borg"),
        (["list", "ssh://elsewhere/./repository"], "the repository is always the target's own"),
        (["-v", "diff", "/srv/repository::a1", "a2"], "the repository is always the target's own"),
        (["list", "user@host:repository::a1"], "the repository is always the target's own"),
        (["serve"], "`borg serve` makes no sense here"),
        (["--umask", "0077", "init"], "`borg init` makes no sense here"),
        (["umount", "/mnt"], "`borg umount` makes no sense here"),
        (["compact"], "`borg compact` frees nothing"),
    ],
)
def test_what_would_leave_the_road_is_refused(words, cause):
    with pytest.raises(UsageError) as refused:
        read_words(words, full_access=False)
    assert refused.value.cause.startswith(cause)
    assert refused.value.hint


def test_what_frees_needs_full_access():
    assert read_words(["compact"], full_access=True).arguments == ("compact",)


def test_a_mount_stays_in_the_foreground():
    given = read_words(["-v", "mount", "::latest", "/mnt"], full_access=False)
    assert given.mounts
    assert given.of_latest("a{1}") == ("-v", "mount", "--foreground", "::a{{1}}", "/mnt")


def test_borg_itself_asks_for_a_new_passphrase_and_the_old_one():
    assert read_words(["key", "change-passphrase"], full_access=True).asks
