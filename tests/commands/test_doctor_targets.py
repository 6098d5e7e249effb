"""`doctor` on a fleet where each target has something else wrong with it: it is found, and nothing else is accused."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest

from lab import Spot
from lab.trees import plant
from support import Result, World, loopback_world
from support.place import ROOT
from support.reading import entry, forced_shell, script

SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "doctor.schema.json").read_text()))
ROWS = ["connect", "shell", "borg", "socat", "tmp", "transport", "sources", "clock", "ledger"]
TOOLS = ("cat", "date", "env", "grep", "head", "ls", "mkdir", "rm", "rmdir", "sed", "sh", "sleep", "socat")
POWERLESS = "exec setpriv --bounding-set=-dac_override,-dac_read_search"


@dataclass(frozen=True)
class Trouble:
    """The row where it is found, the words of the finding and its hint, and the rows that cannot be seen then."""

    row: str
    words: tuple[str, ...]
    unseen: tuple[str, ...] = ()
    mark: str = "failed"


NOT_CONNECTED = ("shell", "borg", "socat", "tmp", "transport", "sources", "clock")
NO_SHELL = ("borg", "socat", "tmp", "transport", "sources", "clock")
TROUBLES = {
    "changed-key": Trouble("connect", ("its host key is not the one in KnownHost", "find out why"), NOT_CONNECTED),
    "other-key": Trouble("connect", ("it refused the key", "authorized_keys"), NOT_CONNECTED),
    "nobody-listens": Trouble("connect", ("connection was refused", "check Host"), NOT_CONNECTED),
    "no-shell": Trouble("shell", ("no shell", "/bin/sh"), NO_SHELL),
    "forced-command": Trouble("shell", ("no shell", "`command=`"), NO_SHELL),
    "no-aes": Trouble("connect", ("no AES in hardware", "Ciphers", "chacha20"), mark="note"),
    "no-borg": Trouble(
        "borg", ("borg is not installed there (/nowhere/borg)", "apt install", "BorgPath"), ("transport",)
    ),
    "old-borg": Trouble("borg", ("borg 1.1.15 is too old", "borg 1.2 or 1.4", "BorgPath"), ("transport",)),
    "new-borg": Trouble("borg", ("borg 2.0.0b22 makes another kind of repository", "borg 1.2 or 1.4"), ("transport",)),
    "rude-borg": Trouble("borg", ("does not print its version: �[2J[bold]�fools", "borg --version"), ("transport",)),
    "no-socat": Trouble(
        "socat", ("socat is not installed there (socat)", "apt install socat", "SocatPath"), ("transport",)
    ),
    "no-such-socat": Trouble("socat", ("socat is not installed there (/nowhere/socat)", "SocatPath"), ("transport",)),
    "odd-socat": Trouble("socat", ("the path of its socat is not plain: ", "it's/socat", "SocatPath"), ("transport",)),
    "broken-socat": Trouble("transport", ("its borg did not connect", "socat: cannot load it", "socat -V")),
    "broken-borg": Trouble("transport", ("its borg did not connect to the controller (exit 0)", "borg --version")),
    "no-forwarding": Trouble("transport", ("refuses to forward", "use stdio", 'Transport = "stdio"'), mark="note"),
    "forward-alone": Trouble("transport", ("refuses to forward", "AllowStreamLocalForwarding yes", "port-forwarding")),
    "one-session": Trouble("transport", ("refused another session", "MaxSessions", "or let it forward: ")),
    "no-folder": Trouble("tmp", ("could not make a folder", "writable /tmp"), ("transport",)),
    "lying-folder": Trouble("tmp", ("a folder that our script does not make: /", "precious"), ("transport",)),
    "missing-source": Trouble("sources", ("missing, or hidden", "/nowhere/at all", "SourcePaths")),
    "closed-source": Trouble("sources", ("root may not read", "setfacl")),
    "empty-source": Trouble("sources", ("would hold no file at all", "SourcePaths")),
    "half-empty": Trouble("sources", ("nothing is in", "mount it"), mark="warning"),
    "too-many-excludes": Trouble("sources", ("need ", "(ARG_MAX)", "PatternsFrom")),
    "fast-clock": Trouble("clock", ("120 minutes ahead", "NTP")),
    "slow-clock": Trouble("clock", ("5 minutes behind", "NTP"), mark="warning"),
}
SSHD = {
    "no-forwarding": "AllowTcpForwarding no",
    "forward-alone": "AllowStreamLocalForwarding no",
    "one-session": "AllowStreamLocalForwarding no\nMaxSessions 1",
    "no-shell": "ForceCommand /bin/false",
    "noisy": forced_shell("head -c 100000 /dev/zero | tr '\\0' x; echo; echo end; echo Beware >&2"),
    "closed-source": f'ForceCommand {POWERLESS} /bin/sh -c "$SSH_ORIGINAL_COMMAND"',
}
# What a target has instead of a tool.
INSTEAD = {
    "no-socat": ("socat", ""),
    "broken-socat": ("socat", '[ "$1" = -V ] && exec /usr/bin/socat -V; echo socat: cannot load it >&2; exit 1'),
    "no-aes": ("grep", 'case $* in *cpuinfo) echo "Features : fp asimd crc32" ;; *) exec /bin/grep "$@" ;; esac'),
    "no-folder": ("mkdir", "exit 1"),
    "fast-clock": ("date", 'exec /bin/date -d "2 hours" "$@"'),
    "slow-clock": ("date", 'exec /bin/date -d "-5 minutes" "$@"'),
}
QUICK = '[ "$1" != --version ] || { echo borg 1.4.5; exit; }\nBORG_SELFTEST=disabled exec /usr/bin/borg "$@"'
BORGS = {
    "old-borg": "echo borg 1.1.15",
    "new-borg": "echo borg 2.0.0b22",
    "broken-borg": "echo borg 1.4.5",
    "rude-borg": "printf 'borg 1.2.4\\n\\033[2J[bold]\\177fools%1000s\\n' x",
}


@pytest.fixture(scope="module")
def precious(tmp_path_factory) -> Path:
    """A folder of this test alone, which a target names instead of one that it made."""
    folder = tmp_path_factory.mktemp("precious")
    (folder / "pid").write_text("1")
    return folder


@pytest.fixture(scope="module")
def examined(tmp_path_factory, precious) -> Iterator[tuple[World, Result]]:
    """The world, and what doctor said of it as JSON."""
    odd = tmp_path_factory.mktemp("odd") / "it's"
    odd.mkdir()
    (odd / "socat").symlink_to(shutil.which("socat"))
    lines = SSHD | {name: _tools_without(tmp_path_factory.mktemp(name), *change) for name, change in INSTEAD.items()}
    lying = f'/bin/sh -c "$SSH_ORIGINAL_COMMAND" | sed -u "s#[^ ]*/borgpull[.].*#{precious}#"'
    lines["lying-folder"] = f"ForceCommand {lying}"
    lines["odd-socat"] = forced_shell(f'PATH="{odd}:$PATH"')
    names = ["good", "noisy", *TROUBLES]
    spots = [Spot(name=name, sshd_lines=tuple(filter(None, [lines.get(name)]))) for name in names]
    with loopback_world(spots, planted=False) as world:
        config = _broken(world)
        yield world, world.run("doctor", "--json", config=config)


def _tools_without(folder: Path, tool: str, text: str) -> str:
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name))
    (folder / tool).unlink()
    if text:
        script(folder / tool, text)
    return forced_shell(f"PATH={folder}")


def _broken(world: World) -> dict:
    config = world.lab.config()
    config["Borg"]["Jobs"] = 4
    good = world.target("good").host
    for name in (target.name for target in world.targets):
        # A real borg takes half a second to say its version.
        quick = script(world.target(name).host.directory / "borg", BORGS.get(name, QUICK))
        entry(config, name)["BorgPath"] = quick
        plant(world.target(name).source, files=1)
    del entry(config, "good")["BorgPath"]
    entry(config, "no-borg")["BorgPath"] = "/nowhere/borg"
    entry(config, "no-such-socat")["SocatPath"] = "/nowhere/socat"
    _break_connections(world, config, good)
    entry(config, "forward-alone")["Transport"] = "forward"
    entry(config, "missing-source")["SourcePaths"] += ["/nowhere/at all", "/etc"]
    entry(config, "too-many-excludes")["Excludes"] += ["/etc/" + "x" * 1000] * 7000
    for name in ("empty-source", "half-empty"):
        shutil.rmtree(world.target(name).source)
        world.target(name).source.mkdir()
    entry(config, "half-empty")["SourcePaths"] += ["/etc"]
    world.target("closed-source").source.chmod(0)
    return config


def _break_connections(world: World, config: dict, good) -> None:
    changed, other = entry(config, "changed-key")["Connection"], entry(config, "other-key")["Connection"]
    changed["KnownHost"] = f"{changed['KnownHost'].split()[0]} {good.host_key.public}"
    other["PrivateKey"] = good.key.private
    nobody = {"Host": "127.0.0.1:1", "KnownHost": f"[127.0.0.1]:1 {good.host_key.public}"}
    entry(config, "nobody-listens")["Connection"] |= nobody
    host = world.target("forced-command").host
    (host.directory / "authorized_keys").write_text(f'command="borg serve" {host.key.public}\n')


def found(result: Result, party: str) -> dict[str, dict]:
    """Return the findings about a party, by their row."""
    return {each["what"]: each for each in json.loads(result.stdout)["findings"] if each["party"] == party}


@pytest.mark.parametrize("name", TROUBLES)
def test_what_is_wrong_with_a_target_is_found_with_its_way_out_and_nothing_else_is(examined, name):
    _, result = examined
    trouble, rows = TROUBLES[name], found(result, f"T {name}")
    at_fault = rows[trouble.row]
    assert at_fault["mark"] == trouble.mark, at_fault
    assert [word for word in trouble.words if word not in f"{at_fault['detail']} {at_fault['hint']}"] == [], at_fault
    assert at_fault["hint"] or trouble.row == "tmp", "nothing is said of what to do"
    marks = {what: row["mark"] for what, row in rows.items() if what != trouble.row}
    assert [what for what, mark in marks.items() if mark == "unseen"] == list(trouble.unseen)
    assert set(marks.values()) <= {"ok", "unseen"}, marks


@pytest.mark.parametrize("name", ["good", "noisy"])
def test_a_good_target_has_a_tick_in_each_row(examined, name):
    _, result = examined
    rows = found(result, f"T {name}")
    assert list(rows) == ROWS
    assert {row["mark"] for row in rows.values()} == {"ok"}, rows
    assert rows["ledger"]["detail"] == "none yet: the first run makes the repository"


def test_what_a_target_says_is_cleaned_and_bounded(examined):
    _, result = examined
    assert len(found(result, "T rude-borg")["borg"]["detail"]) < 150
    assert result.stdout.isascii()


def test_the_answer_is_that_of_the_published_schema(examined):
    _, result = examined
    report = json.loads(result.stdout)
    SCHEMA.validate(report)
    assert report["outcome"] == "failed"
    assert result.returncode == 2
    assert result.stderr == ""


def test_a_folder_that_was_not_made_for_us_is_neither_written_to_nor_removed(examined, precious):
    assert [place.name for place in precious.iterdir()] == ["pid"]
    assert (precious / "pid").read_text() == "1"


def test_targets_are_side_by_side_and_warnings_alone_exit_with_1(examined):
    world, _ = examined
    config = world.lab.config()
    entry(config, "half-empty")["SourcePaths"] += ["/etc"]
    result = world.run("doctor", "half-empty", "good", config=config)
    assert result.returncode == 1, result.stdout
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    head = next(line for line in lines if line.startswith("target "))
    assert head.split() == ["target", *ROWS]
    rows = [line.split() for line in lines if line.startswith(("good ", "half-empty "))]
    assert rows[0] == ["good", *["✓", "ok"] * 2, "✓", "1.2.4", *["✓", "ok"] * 6]
    assert rows[1] == ["half-empty", *["✓", "ok"] * 2, "✓", "1.2.4", *["✓", "ok"] * 3, "!", "warn", *["✓", "ok"] * 2]
    assert lines[-3].startswith("warning: target half-empty: sources: nothing is in ")
    assert lines[-2:] == [
        "hint: if something should be mounted there, mount it",
        "2 of 2 targets would be backed up, 1 warning",
    ]
    assert "\x1b" not in result.stdout
    assert result.stderr == ""


def test_a_name_that_is_none_exits_with_4(examined):
    world, _ = examined
    result = world.run("doctor", "nobody")
    assert result.returncode == 4
    assert "there is no target 'nobody'" in result.stderr
    assert result.stdout == ""


def test_nothing_is_left_on_any_of_them(examined):
    world, _ = examined
    assert [place for target in world.targets for place in target.host.temporary.iterdir()] == []
    assert [place.name for place in world.lab.root.iterdir()] == [".borgpull"]
    assert list(world.memory.iterdir()) == []
