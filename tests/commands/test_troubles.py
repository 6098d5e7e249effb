"""One run over a fleet in which everything is wrong that can be wrong: every cause is named, and the good get through.

The run is made once for the module. Each trouble has a target of its own, and says which party failed, what, and the
way out.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from borgpull.errors import BACKUP_SERVER, CONTROLLER, target_party
from lab import Spot
from lab.trees import differences
from support import Result, World, loopback_world
from support.reading import ends, entry, forced_shell, move, nobody_listens, row, said_of, script

TOOLS = ("env", "mkdir", "rm", "rmdir", "sh", "sleep")


@dataclass(frozen=True)
class Trouble:
    """What must be said of a target: the words of the cause and of the hint, and the step that they belong to."""

    words: tuple[str, ...]
    step: str = "connect"
    party: str = ""
    outcome: str = "failed"


PRINTED = {"B": BACKUP_SERVER, "C": CONTROLLER}
TROUBLES = {
    "changed-key": Trouble(("its host key is not the one in KnownHost", "find out why")),
    "other-key": Trouble(("it refused the key", "authorized_keys")),
    "nobody-listens": Trouble(("connection was refused", "check Host")),
    "no-such-name": Trouble(("cannot be resolved", "DNS")),
    "no-borg": Trouble(("borg is not installed there (/nowhere/borg)", "apt install borgbackup", "BorgPath")),
    "no-socat": Trouble(("socat is not installed there", "apt install socat")),
    "forward-alone": Trouble(("refuses to forward", "AllowTcpForwarding yes", "port-forwarding"), step="create"),
    "no-shell": Trouble(("no shell", "/bin/sh")),
    "forced-command": Trouble(("no shell", "`command=`")),
    "missing-source": Trouble(("missing, or hidden", "/nowhere/at all", "remove it from SourcePaths")),
    "empty-source": Trouble(("holds no file at all", "SourcePaths and Excludes"), step="verify"),
    "all-excluded": Trouble(("holds no file at all", "SourcePaths and Excludes"), step="verify"),
    "wrong-passphrase": Trouble(("passphrase does not open", "BorgTarget.Passphrase"), step="inspect", party="C"),
    "not-a-repository": Trouble(
        ("neither a repository nor half of a new one: it has letter", "choose another SubDir"),
        step="inspect",
        party="B",
    ),
    "failing-borg": Trouble(("borg create failed (exit 2): the disk is on fire",), step="create"),
    "lying-borg": Trouble(("claims success", "the borg on that target"), step="verify"),
    "another-archive": Trouble(
        ("tampered with", "borgpull rollback another-archive"), step="verify", outcome="tampered"
    ),
    "stolen-repository": Trouble(("refuses the path",), step="create", party="B"),
}
SSHD = {
    "forward-alone": "AllowTcpForwarding no",
    "no-shell": "ForceCommand /bin/false",
    "noisy": forced_shell("echo Welcome to this host; echo '{\"archive\": 1}'; echo Beware >&2"),
}
FAILING_BORG = """\
echo '{"type": "log_message", "levelname": "ERROR", "name": "borg", "message": "the disk is on fire"}' >&2
exit 2
"""
LYING_BORG = "exit 0\n"
ANOTHER_ARCHIVE = """\
shift
exec borg create --json ::not-the-one-asked-for /etc/hostname
"""
STOLEN_REPOSITORY = """\
export BORG_REPO="${BORG_REPO%/*}/good"
exec borg "$@"
"""


@pytest.fixture(scope="module")
def troubled(tmp_path_factory) -> Iterator[tuple[World, Result]]:
    """The world after its one run, and what the run said."""
    folder = tmp_path_factory.mktemp("tools")
    for tool in (*TOOLS, "borg"):
        (folder / tool).symlink_to(shutil.which(tool))
    lines = SSHD | {"no-socat": forced_shell(f"PATH={folder}")}
    names = ["good", "noisy", *TROUBLES]
    spots = [Spot(name=name, sshd_lines=tuple(filter(None, [lines.get(name)]))) for name in names]
    with loopback_world(spots, check_every="") as world:
        for name in ("wrong-passphrase", "good"):
            world.lab.borg(world.target(name), "init", "-e", "repokey-blake2")
        yield world, world.run("--json", config=_broken(world))


def _broken(world: World) -> dict:
    config = world.lab.config()
    config["Borg"]["Retries"] = 0
    good = world.target("good").host
    for name, replaced in (("changed-key", "KnownHost"), ("other-key", "PrivateKey")):
        connection = entry(config, name)["Connection"]
        address = world.target(name).host.known_host.split()[0]
        connection[replaced] = {
            "KnownHost": f"{address} {good.host_key.public}",
            "PrivateKey": good.key.private,
        }[replaced]
    move(config, "nobody-listens", nobody_listens(), good.host_key.public)
    move(config, "no-such-name", "host.invalid:2222", good.host_key.public)
    entry(config, "forward-alone")["Transport"] = "forward"
    entry(config, "missing-source")["SourcePaths"] += ["/nowhere/at all"]
    entry(config, "all-excluded")["Excludes"] = ["*"]
    entry(config, "wrong-passphrase")["BorgTarget"]["Passphrase"] = "not the right one"
    _prepare_hosts(world)
    borgs = {
        "no-borg": "/nowhere/borg",
        "failing-borg": _borg(world, "failing-borg", FAILING_BORG),
        "lying-borg": _borg(world, "lying-borg", LYING_BORG),
        "another-archive": _borg(world, "another-archive", ANOTHER_ARCHIVE),
        "stolen-repository": _borg(world, "stolen-repository", STOLEN_REPOSITORY),
    }
    for name, path in borgs.items():
        entry(config, name)["BorgPath"] = path
    return config


def _prepare_hosts(world: World) -> None:
    shutil.rmtree(world.target("empty-source").source)
    world.target("empty-source").source.mkdir()
    world.target("not-a-repository").repository.mkdir()
    (world.target("not-a-repository").repository / "letter").write_text("dear diary")
    host = world.target("forced-command").host
    (host.directory / "authorized_keys").write_text(f'command="borg serve" {host.key.public}\n')


def _borg(world: World, name: str, text: str) -> str:
    return script(world.target(name).host.directory / "borg", text)


@pytest.mark.parametrize("name", TROUBLES)
def test_a_trouble_is_named_with_its_party_and_the_way_out(troubled, name):
    _, result = troubled
    seen, trouble = row(result, name), TROUBLES[name]
    said = said_of(seen)
    assert seen["outcome"] == trouble.outcome, said
    assert said.startswith(f"{trouble.party or f'T {name}'}: "), said
    assert [word for word in trouble.words if word not in said] == [], said
    steps = ends(seen)
    assert [step for step, end in steps.items() if end == trouble.outcome][:1] == [trouble.step], steps
    assert {"check", "prune", "compact"} & steps.keys() == set(), "nothing may be made permanent after a failure"


@pytest.mark.parametrize("name", ["good", "noisy"])
def test_a_good_target_among_bad_ones_gets_its_backup(troubled, name, tmp_path):
    world, result = troubled
    assert row(result, name)["outcome"] == "done", said_of(row(result, name))
    target = world.target(name)
    archives = world.lab.archives(target)
    assert archives == [row(result, name)["archive"]["name"]]
    assert differences(target.source, world.lab.extracted(target, archives[-1], tmp_path)) == []


def test_the_exit_code_is_that_of_the_worst(troubled):
    _, result = troubled
    assert result.returncode == 3
    assert "Traceback" not in result.stderr
    assert "internal error" not in result.stderr


def test_nothing_is_left_of_any_of_them(troubled):
    world, _ = troubled
    assert world.leftovers() == []


def test_nothing_is_written_where_nothing_could_be_backed_up(troubled):
    world, result = troubled
    assert row(result, "missing-source")["archive"] is None
    assert not world.target("missing-source").repository.exists(), "no repository for a target that cannot be read"
    assert [place.name for place in world.target("not-a-repository").repository.iterdir()] == ["letter"]


def test_every_target_has_its_error_and_hint_on_stderr_too(troubled):
    _, result = troubled
    for name, trouble in TROUBLES.items():
        assert f"error: {PRINTED.get(trouble.party, target_party(name))}: " in result.stderr
    assert "hint: apt install socat" in result.stderr


def test_the_folder_that_stood_in_the_way_is_as_it_was(troubled):
    world, _ = troubled
    letter = Path(world.target("not-a-repository").repository, "letter")
    assert letter.read_text() == "dear diary"
