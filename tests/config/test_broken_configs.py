"""Every way to write a wrong config that we know of, and the place that the operator must be told."""

import traceback

import pytest
from broken import BROKEN
from sample import GOOD, filled

from borgpull.config import read
from borgpull.errors import ConfigError


def problems_of(text, checks):
    with pytest.raises(ConfigError) as caught:
        read(text, **checks)
    return caught.value


def assert_no_secret(error, secrets):
    causes = [problem.cause for problem in error.problems]
    told = "\n".join([*causes, str(error), repr(error), *traceback.format_exception(error)])
    assert not [secret for secret in secrets if secret in told]
    assert error.__context__ is None
    assert error.__cause__ is None


@pytest.mark.parametrize("name", BROKEN)
def test_the_operator_is_told_the_place_and_what_to_do(name, keys, checks, secrets, private):
    old, new, place, word = BROKEN[name]
    assert GOOD.count(old) >= 1
    text = filled(GOOD.replace(old, new, 1), keys)
    if place == "line":
        place = f"line {text[: text.index(new)].count(chr(10)) + 1}, column "
    error = problems_of(text, checks)
    first = error.problems[0].cause
    assert first.startswith(place if place.startswith("line") else f"{place}: ")
    assert word in first
    assert len(error.problems) == 1
    assert first.isprintable()
    assert_no_secret(error, secrets)
    assert not list(private.iterdir())


def test_all_problems_are_told_at_once(keys, checks, secrets):
    text = GOOD
    for old, new in (
        ('RootDir = "/home/backups"', 'RootDir = "backups"'),
        ("{B_KEY}", "{ENCRYPTED}"),
        ('Name = "web1"', "Name = 1"),
        ('"10.0.0.7"', '"-v"'),
        ("'swordfish'", '"sword\\nfish"'),
        ('"sub/db1"', '"sub/web1/x"'),
        ('"/opt/borg/bin/borg"', '""'),
    ):
        text = text.replace(old, new, 1)
    error = problems_of(filled(text, keys), checks)
    assert [problem.cause.split(":")[0] for problem in error.problems] == [
        "Borg.RootDir",
        "Borg.Server.PrivateKey",
        "Servers[0].Name",
        'Servers[1].BorgPath ("db1")',
        'Servers[1].BorgTarget.Passphrase ("db1")',
        'Servers[1].Connection.Host ("db1")',
        'Servers[1].BorgTarget.SubDir ("db1")',
    ]
    assert_no_secret(error, secrets)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", ["Borg", "Servers"]),
        ("Borg = 1\nServers = 1", ["Borg", "Servers"]),
        ("[Borg]\n[Servers]", ["Borg.RootDir", "Borg.Server", "Borg.PruneSetting", "Servers"]),
        ("Servers = []", ["Borg", "Servers"]),
        ("Servers = [1]", ["Borg", "Servers[0]"]),
        ("Borg = []\nServers = [[]]", ["Borg", "Servers[0]"]),
    ],
)
def test_whole_tables_that_are_missing_or_something_else(text, places, checks):
    assert [problem.cause.split(":")[0] for problem in problems_of(text, checks).problems] == places


def test_a_path_that_borg_would_read_as_a_home_is_refused(keys, checks):
    text = GOOD.replace('"/home/backups"', '"/"').replace('"sub/db1"', '"~root/db1"')
    (problem,) = problems_of(filled(text, keys), checks).problems
    assert problem.cause.startswith('Servers[1].BorgTarget.SubDir ("db1"): ')
    assert "home" in problem.cause


def test_each_key_and_known_host_is_judged_once(keys):
    asked = []

    def key(text):
        asked.append(text)
        return "is bad"

    def known_host(*entry):
        asked.append(entry)
        return "is bad"

    error = problems_of(filled(GOOD, keys), {"check_key": key, "check_known_host": known_host})
    assert len(error.problems) == 3 + 4
    assert len(asked) == len(set(asked)) == 2 + 4
