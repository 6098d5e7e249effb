"""A backup server that will not serve, and a target behind a jump host: who is at fault is said."""

from collections.abc import Iterator

import pytest

from lab import Spot
from support import World, loopback_world
from support.reading import entry, forced_shell, only, report, row, said_of


def tell(result) -> str:
    whole = report(result)
    return "\n".join([said_of(whole), *(said_of(each) for each in whole["targets"])])


def broken(world: World, trouble: str) -> dict:
    config = only(world.lab.config(), "web")
    config["Borg"]["Retries"] = 0
    config["Borg"]["ServerPatience"] = "0"
    server = config["Borg"]["Server"]
    stranger = world.target("mail").host
    match trouble:
        case "another host key":
            server["KnownHost"] = f"{server['KnownHost'].split()[0]} {stranger.host_key.public}"
        case "a key that it refuses":
            server["PrivateKey"] = stranger.key.private
        case "nobody there":
            server["Host"], server["KnownHost"] = "127.0.0.1:1", f"[127.0.0.1]:1 {stranger.host_key.public}"
        case "no borg":
            server["BorgPath"] = "/nowhere/borg"
        case "a forced command":
            line = f'command="borg serve" {world.lab.server.key.public}\n'
            (world.lab.server.directory / "authorized_keys").write_text(line)
    return config


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("another host key", ("its host key is not the one in KnownHost", "hint: find out why")),
        ("a key that it refuses", ("it refused the key", "hint: check Username and PrivateKey")),
        ("nobody there", ("connection was refused", "hint: check Host and its port")),
        ("no borg", ("borg is not installed there (/nowhere/borg)", "BorgPath in [Borg.Server]")),
        ("a forced command", ("command", "hint: ", "authorized_keys")),
    ],
)
def test_a_backup_server_that_cannot_be_used_is_named(shared_world, trouble, words):
    own = shared_world.lab.server.directory / "authorized_keys"
    before = own.read_text()
    result = shared_world.run("--json", config=broken(shared_world, trouble))
    own.write_text(before)
    said = tell(result)
    assert result.returncode == 2, said
    assert said.lstrip().startswith("B: "), said
    assert [word for word in words if word not in said] == [], said
    assert row(result, "web")["archive"] is None
    assert "internal error" not in said
    assert shared_world.leftovers() == []


def test_a_backup_server_whose_shell_talks_is_told_to_keep_quiet():
    # It cannot be told from borg's own first bytes.
    with loopback_world(["web"], server=Spot(name="B", sshd_lines=(forced_shell("echo Welcome"),))) as world:
        result = world.run("--json")
        assert result.returncode == 2
        assert tell(result).lstrip().startswith("B: its shell prints something before borg answers\nhint: in ~/.bash")


@pytest.fixture(scope="module")
def behind_a_jump() -> Iterator[World]:
    """A target and the jump host on the way to it, which knows the target's key.

    B has a wrapper before its shell, as `command=` in authorized_keys makes one: it leaves SSH_ORIGINAL_COMMAND
    behind, which `borg serve` would obey.
    """
    server = Spot(name="B", sshd_lines=(forced_shell("echo Beware >&2"),))
    with loopback_world(["web", "jump"], server=server) as world:
        key = world.target("web").host.key.public
        (world.target("jump").host.directory / "authorized_keys").write_text(key + "\n")
        yield world


def by_jump(world: World) -> dict:
    config = only(world.lab.config(), "web")
    config["Borg"]["Retries"] = 0
    jump = world.target("jump").host
    entry(config, "web")["Connection"] |= {"ProxyJumpHost": jump.endpoint, "ProxyJumpKnownHost": jump.known_host}
    return config


def test_a_target_behind_a_jump_host_is_backed_up_to_a_server_with_a_wrapper(behind_a_jump):
    result = behind_a_jump.run("--json", config=by_jump(behind_a_jump))
    assert result.returncode == 0, result.stderr
    log = (behind_a_jump.target("jump").host.directory / "sshd.log").read_text()
    assert "Accepted publickey" in log, "it did not go through the jump host"
    assert behind_a_jump.leftovers() == []


# Which host on the way failed is seen with each trouble in tests/ssh/test_jumps.py; here that a run says it.
SELDOM = ("host key", "refuses the key", "nobody there", "target's host key")


@pytest.mark.parametrize(
    "trouble", ["leads nowhere", "target", *(pytest.param(trouble, marks=pytest.mark.slow) for trouble in SELDOM)]
)
def test_it_is_said_whether_the_jump_host_or_the_target_is_at_fault(behind_a_jump, trouble):
    world = behind_a_jump
    config = by_jump(world)
    connection = entry(config, "web")["Connection"]
    own, jump = world.target("web").host, world.target("jump").host
    keys = jump.directory / "authorized_keys"
    before = keys.read_text()
    match trouble:
        case "host key":
            name = connection["ProxyJumpKnownHost"].split()[0]
            connection["ProxyJumpKnownHost"] = f"{name} {own.host_key.public}"
            words = ("jump host", "ProxyJumpKnownHost")
        case "refuses the key":
            keys.write_text("")
            words = ("jump host", "refused the key")
        case "nobody there":
            connection |= {"ProxyJumpHost": "127.0.0.1:1"}
            connection["ProxyJumpKnownHost"] = f"[127.0.0.1]:1 {jump.host_key.public}"
            words = ("jump host", "connection was refused")
        case "leads nowhere":
            keys.write_text(f"restrict {before}")
            words = ("jump host", "AllowTcpForwarding")
        case "target":
            connection |= {"Host": "127.0.0.1:1", "KnownHost": f"[127.0.0.1]:1 {own.host_key.public}"}
            words = ("connection was refused", "check Host and its port")
        case _:
            connection["KnownHost"] = f"{connection['KnownHost'].split()[0]} {jump.host_key.public}"
            words = ("its host key is not the one in KnownHost", "find out why")
    result = world.run("--json", config=config)
    keys.write_text(before)
    said = said_of(row(result, "web"))
    assert result.returncode == 2
    assert said.startswith("T web: "), said
    assert [word for word in words if word not in said] == [], said
    assert ("jump host" in said) == ("jump host" in words), said
    assert world.leftovers() == []
