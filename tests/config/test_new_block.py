"""A new target is put into the text of a config, and nothing that stood there is changed."""

import re
import tomllib

import pytest
from sample import GOOD, filled

from borgpull.config import NewTarget, read, rules, with_target
from borgpull.config.add_target import conflict
from borgpull.config.model_fields import problem_with
from borgpull.errors import UsageError

WITHOUT_TARGETS = GOOD[: GOOD.index("[[Servers]]")]
INLINE = """\
# first
Servers = [ # these
  {Name = "web1", SourcePaths = ["/etc"], BorgTarget = {SubDir = "a", Passphrase = "p"}, Connection = {
  Host = "h", Username = "u", KnownHost = "h {HOST_KEY}", PrivateKey = '''
{T_KEY}'''}}, # web
]
"""
INLINE = re.sub(r"Connection = {\n +", "Connection = {", INLINE) + WITHOUT_TARGETS


@pytest.fixture
def target(keys):
    return NewTarget(
        name="Büro 3",
        source_paths=("/etc", '/srv/it\'s "here"'),
        excludes=("*.tmp",),
        sub_dir="sub/büro",
        passphrase="new hunter2",
        host="[2001:db8::1]:2222",
        username="backup",
        known_host=f"[2001:db8::1]:2222 {keys['HOST_KEY']}",
        private_key=keys["T_KEY"],
    )


def targets(text, checks):
    return {each.name: each for each in read(text, **checks).targets}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(GOOD, id="as documented"),
        pytest.param(GOOD + "# the end, and no line end", id="a comment at the end"),
        pytest.param(GOOD.replace("[[Servers]]", "[[servers]]").replace("[Servers.", "[servers."), id="lower case"),
        pytest.param(GOOD.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(WITHOUT_TARGETS, id="no target yet"),
        pytest.param(GOOD[len(WITHOUT_TARGETS) :] + "\n# about B\n" + WITHOUT_TARGETS, id="targets first"),
    ],
)
def test_the_text_stays_as_it_was(text, target, keys, checks):
    windows, text = "\r\n" in text, filled(text, keys)
    text = re.sub("\r?\n", "\r\n", text) if windows else text
    new = with_target(text, target)
    assert new.startswith(text)
    assert new.count("\r\n") == (new.count("\n") if windows else 0)
    found = targets(new, checks)[target.name]
    assert (found.source_paths, found.excludes, found.borg_target.sub_dir) == (
        target.source_paths,
        target.excludes,
        target.sub_dir,
    )
    assert found.borg_target.passphrase.get_secret_value() == target.passphrase
    connection = found.connection
    assert connection.private_key.get_secret_value() == keys["T_KEY"]
    assert (connection.host.name, connection.host.port, connection.username) == ("2001:db8::1", 2222, "backup")
    assert [*targets(new, checks)][:-1] == [table["Name"] for table in servers(text)]


def servers(text):
    return next((value for key, value in tomllib.loads(text).items() if key.lower() == "servers"), [])


def test_an_inline_list_gets_one_more_entry(target, keys, checks):
    text = filled(INLINE, keys)
    new = with_target(text, target)
    assert list(targets(new, checks)) == ["web1", target.name]
    assert [line for line in text.splitlines() if line not in new.splitlines()] == []


def test_an_empty_list_gets_its_first_entry(target, keys, checks):
    text = filled("Servers = [] # none yet\n" + WITHOUT_TARGETS, keys)
    new = with_target(text, target)
    assert list(targets(new, checks)) == [target.name]
    assert new.endswith(" # none yet\n" + filled(WITHOUT_TARGETS, keys))


def test_what_is_no_list_is_refused(target):
    with pytest.raises(UsageError):
        with_target("Servers = 1\n", target)


@pytest.mark.parametrize(
    ("sub_dir", "words"),
    [
        ("sub/db2", None),
        ("sub/db1/", "is the repository of"),
        ("sub/db1/inner", "is inside the repository of"),
        ("sub", "contains the repository of"),
        (".borgpull", "keeps for itself"),
        ("../x", "`..`"),
    ],
)
def test_a_folder_for_it_is_judged_beside_the_others(sub_dir, words):
    found = problem_with(rules.sub_dir, sub_dir) or conflict(GOOD, BorgTarget={"SubDir": sub_dir})
    assert found is None if words is None else words in found


def test_a_name_for_it_is_judged_beside_the_others():
    assert conflict(GOOD, Name="web2") is None
    assert "is the name of Servers[0] too" in conflict(GOOD, Name="web1")
    assert "empty" in problem_with(rules.name, " ")


def test_it_shows_no_secret(target, keys):
    assert "hunter2" not in repr(target)
    assert keys["T_KEY"][40:60] not in repr(target)
