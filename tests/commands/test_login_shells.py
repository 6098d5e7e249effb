"""Whatever the login shell of a host is: what is left out, stored, run and restored is the same everywhere."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.trees import differences
from support import World, loopback_world, secrets_of, watching_for
from support.reading import config_of, report, row, said_of
from support.shells import SHELLS, needs_shells, spot_with_shell

TARGET, SERVER, BOTH = "target", "backup server", "both"
# The login shell of every other world is a bash.
QUICK = ("tcsh", "fish")
# Names of files that a shell could read as something else.
NAMES = [
    "plain",
    "two words",
    " spaces at both ends ",
    "it's quoted",
    "'",
    'say "hello"',
    '"',
    "a\\b",
    "a\\\\b",
    "a\\",
    "\\'",
    "line\nbreak",
    "\n",
    "\ttab",
    "$HOME",
    "$(id)",
    "${x}",
    "`id`",
    "wow!",
    "!!",
    "!0",
    "~",
    "~root",
    "{one,two}",
    "^caret^",
    "#comment",
    "%percent",
    "semi;colon & more | pipe > file",
    "(brackets)",
    "--exclude=x",
    "-x",
    "=ls",
    "naïve 日本語 🐢",
    "*",
    "?[a-z]",
]
GLOBS = ("*", "?", "[")
NAME = """it's "web" \\ $HOME `id` !! ~ {a,b} naïve"""
SAY = """printf '%s\\n' "$BORGPULL_TARGET" 'a\\b' "!!" '~' `echo "it's"`"""
SAID = [NAME, "a\\b", "!!", "~", "it's"]
ROOT_DIR = """the 'root' of "all"\\ $x !! `id` ~ naïve"""
SUB_DIR = """-hosts/it's "web"\\\\ * ? [x] !! $(id)"""


def table() -> Iterator[object]:
    """Every shell on both hosts at once, and then on one alone: that says which host is at fault."""
    for shell in SHELLS:
        yield pytest.param((shell, BOTH), id=f"{shell}-both", marks=() if shell in QUICK else pytest.mark.slow)
    for shell in SHELLS:
        for side in (TARGET, SERVER):
            yield pytest.param((shell, side), id=f"{shell}-{side}", marks=pytest.mark.slow)


@pytest.fixture
def hosts(request, tmp_path) -> Iterator[World]:
    shell, side = request.param
    needs_shells(shell)
    target = spot_with_shell("web", tmp_path / "web", shell if side != SERVER else "dash")
    server = spot_with_shell("B", tmp_path / "B", shell if side != TARGET else "dash")
    with loopback_world([target], server=server, planted=False) as world:
        yield world


def plant(folder: Path) -> tuple[list[str], set[str]]:
    """Fill a folder; return the excludes that leave something out of it, and the names of what remains in it."""
    for part in ("in", "out", "last"):
        (folder / part).mkdir(parents=True)
        for name in NAMES:
            (folder / part / name).write_text(f"{part} {name}")
    # A name with a glob in it is a path, not a pattern.
    excludes = [f"pp:{folder}/out/{name}" if any(x in name for x in GLOBS) else f"*/out/{name}" for name in NAMES]
    # A pattern of which a shell takes a backslash away leaves out another file.
    excludes += ["*/last/a\\\\b", "-not there", "re:/last/\\$\\(id\\)$", "sh:**/last/{one,two}", "re:/last/[`]id.$"]
    out = {"a\\\\b", "$(id)", "{one,two}", "`id`"}
    return excludes, {"in", "out", "last", *(f"in/{name}" for name in NAMES), *(f"last/{x}" for x in {*NAMES} - out)}


@pytest.mark.parametrize("hosts", list(table()), indirect=True)
def test_what_is_left_out_stored_run_and_restored_is_the_same(hosts, tmp_path):
    world = hosts
    web = world.target("web")
    source = web.source / 'it\'s $HOME \\\\ "!!" `id`\n~ {a,b} naïve'
    excludes, remaining = plant(source)
    config = config_of(world, "web")
    config["Borg"]["RootDir"] = str(world.lab.root / ROOT_DIR)
    config["Servers"][0] |= {
        "Name": NAME,
        "SourcePaths": [str(source)],
        "Excludes": excludes,
        "Before": [SAY],
        "After": [SAY],
        "Streams": [{"Name": "db.sql", "Command": SAY}],
        "BorgTarget": {"SubDir": SUB_DIR, "Passphrase": web.passphrase},
    }
    with watching_for(secrets_of(world.lab)) as seen:
        done = world.run("--json", "--check", config=config)
    told = row(done, NAME)
    # The first repository below a RootDir is worth a warning, and no other thing is.
    assert (done.returncode, len(told["warnings"])) == (1, 1), said_of(report(done)) + said_of(told)
    assert [each["output"] for each in told["commands"] if each["command"] in ("Before[0]", "After[0]")] == [SAID, SAID]
    assert seen.leaks == set()

    stored = replace(web, repository=world.lab.root / ROOT_DIR / SUB_DIR)
    came = world.lab.extracted(stored, told["archive"]["name"], tmp_path) / source.name
    assert {os.path.relpath(place, came) for place in came.rglob("*")} == remaining
    stream = world.lab.borg(stored, "extract", "--stdout", f"::{told['streams'][0]['archive']['name']}")
    assert stream.decode().splitlines() == SAID

    back = web.host.directory / "back it's $x !!"
    restored = world.run("restore", NAME, "latest", "--onto-target", "--to", str(back), config=config)
    assert restored.returncode == 0, restored.stderr
    assert differences(back / source.relative_to("/"), came) == []

    doctor = world.run("doctor", "--json", config=config)
    assert [each for each in json.loads(doctor.stdout)["findings"] if each["mark"] == "failed"] == []
    assert [place for host in (web.host, world.lab.server) for place in host.temporary.iterdir()] == []
