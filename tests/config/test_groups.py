"""A target's own keys win over those of its group, and these over [Borg.Defaults] and [Borg]."""

import json

import pytest
from sample import GOOD, read_pure

from borgpull.errors import ConfigError
from support import loopback_world
from support.reading import entry

GROUPS = """[Borg.Defaults]
Timeout = "26h"
Quota = "50G"
Before = ["secret of all"]

[Borg.Groups.laptops]
quota = "60G"
PruneSetting = "--keep-last 3"

[Borg.Groups."not-used"]
Nice = 5

[Borg.Server]"""
GROUPED = GOOD.replace("[Borg.Server]", GROUPS).replace(
    'Name = "web1"', 'Name = "web1"\nGroup = "laptops"\nTimeout = "1h"'
)


def problems_of(text):
    with pytest.raises(ConfigError) as caught:
        read_pure(text)
    return [problem.cause for problem in caught.value.problems]


def test_own_keys_win_over_the_group_and_the_group_over_the_defaults():
    web1, db1 = read_pure(GROUPED).targets
    assert (web1.timeout, web1.quota, web1.prune_options) == (3600, "60G", ("--keep-last=3",))
    assert (db1.timeout, db1.quota, len(db1.prune_options)) == (26 * 3600, "50G", 3)
    assert web1.before == db1.before == ("secret of all",)
    assert (web1.nice, db1.nice) == (None, None)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'Group = "laptops"',
            'Group = "laptop"',
            'Servers[0].Group ("web1"): is no group of this config: did you mean `laptops`?',
        ),
        (
            'Group = "laptops"',
            'Group = "x"',
            'Servers[0].Group ("web1"): is no group of this config: add a [Borg.Groups.x] table',
        ),
        ('Group = "laptops"', 'Group = "a b"', 'Servers[0].Group ("web1"): is not a name for a group'),
        ('quota = "60G"', 'quota = "60"', "Borg.Groups.laptops.Quota: is not a size"),
        ('quota = "60G"', 'quotta = "60G"', "Borg.Groups.laptops: `quotta` is not a known key: did you mean `Quota`?"),
        ('Groups."not-used"', 'Groups."not used"', "Borg.Groups: one of its names is not a name for a group"),
        ("Nice = 5", "Nice = 50", "Borg.Groups.not-used.Nice: must be a whole number from 0 to 19"),
    ],
)
def test_what_is_wrong_with_a_group_is_said_once_and_where_it_is_written(old, new, said):
    (problem,) = problems_of(GROUPED.replace(old, new, 1))
    assert problem.startswith(said), problem


def test_a_group_is_no_list_and_no_value():
    assert problems_of(GROUPED.replace(GROUPS, "[Borg.Groups]\nlaptops = 1\n[Borg.Server]"))
    assert problems_of(GROUPED.replace(GROUPS, "[[Borg.Groups]]\nNice = 1\n[Borg.Server]"))


def test_what_to_keep_is_missing_once_or_where_it_is():
    setting = next(line for line in GROUPED.splitlines() if line.startswith("PruneSetting"))
    nowhere = GOOD.replace(setting, "")
    assert problems_of(nowhere) == [
        "Borg.PruneSetting: is missing: add the archives to keep, as options of `borg prune`"
    ]
    (problem,) = problems_of(GROUPED.replace(setting, "", 1))
    assert problem.startswith('Servers[1].PruneSetting ("db1"): is missing')
    for_all = nowhere.replace("[Borg.Server]", f"[Borg.Defaults]\n{setting}\n[Borg.Server]")
    assert len(read_pure(for_all).targets[1].prune_options) == 3


def test_config_check_shows_what_holds_and_where_it_is_set():
    with loopback_world(("web", "db", "mail"), planted=False) as world:
        config = world.lab.config()
        config["Borg"]["Defaults"] = {"Quota": "50G", "Timeout": "26h", "Before": ["echo hunter2"]}
        config["Borg"]["Groups"] = {"web": {"Quota": "60G"}, "db": {"PruneSetting": "--keep-last 3"}}
        entry(config, "web").update(Group="web", Timeout="1h")
        entry(config, "db").update(Group="db")
        shown = world.run("config", "check", "--show", "web", config=config)
        assert shown.returncode == 0, shown.stderr
        lines = [line.strip() for line in shown.stdout.splitlines()]
        assert 'Timeout = "1h"  # Servers[0] ("web")' in lines
        assert 'Quota = "60G"  # Borg.Groups.web' in lines
        assert "Before = (not shown)  # Borg.Defaults" in lines
        assert 'LockWait = "60s"  # default' in lines
        assert "Gate = false  # default" in lines
        assert 'BorgTarget.Passphrase = (not shown)  # Servers[0].BorgTarget ("web")' in lines
        secrets = ["hunter2", *(target.passphrase for target in world.targets), "PRIVATE KEY"]
        assert not [secret for secret in secrets if secret in shown.stdout]
        found = json.loads(world.run("config", "check", "--json", "--show", "db", config=config).stdout)
        keys = {each["key"]: each for each in found["settings"]}
        assert keys["PruneSetting"] == {"key": "PruneSetting", "value": '"--keep-last 3"', "source": "Borg.Groups.db"}
        unknown = world.run("config", "check", "--show", "nobody", config=config)
        assert unknown.returncode == 4
        assert "there is no target 'nobody' in the config" in unknown.stderr
