"""`doctor` on backup servers that are each wrong in one thing: it is found, and nothing else is accused."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from borgpull import config as configs
from borgpull import fleet
from borgpull.doctor.server import PROGRAMS
from borgpull.errors import BACKUP_SERVER
from borgpull.results import Finding
from lab import Spot
from support import World, borg_14, loopback_world
from support.reading import forced_shell, script

TOOLS = (*PROGRAMS.split(), "df", "env", "readlink", "sh", "tail")
QUICK = 'case $1 in --version) echo borg 1.4.5 ;; *) exec /usr/bin/borg "$@" ;; esac'
UNSEEN_WITHOUT_SHELL = ("borg", "serve", "root", "path", "space", "hard links")


@dataclass(frozen=True)
class Trouble:
    """The row where it is found, the words of finding and hint, and the rows that cannot be seen then."""

    row: str
    words: tuple[str, ...]
    unseen: tuple[str, ...] = ()
    mark: str = "failed"


GOOD = ("good", "good-1.4", "few-tools")
TROUBLES = {
    "changed-key": Trouble(
        "connect", ("its host key is not the one in KnownHost", "find out why"), ("shell", *UNSEEN_WITHOUT_SHELL)
    ),
    "other-key": Trouble("connect", ("it refused the key", "authorized_keys"), ("shell", *UNSEEN_WITHOUT_SHELL)),
    "no-shell": Trouble("shell", ("no shell", "/bin/sh"), UNSEEN_WITHOUT_SHELL),
    "forced-serve": Trouble(
        "shell",
        ("forced to `borg serve` (borg 1.2.4)", "neither limit it to one repository", "`command="),
        UNSEEN_WITHOUT_SHELL,
    ),
    "no-setsid": Trouble("shell", ("it lacks find, setsid", "util-linux")),
    "no-borg": Trouble(
        "borg", ("borg is not installed there (/nowhere/borg)", "BorgPath in [Borg.Server]"), ("serve",)
    ),
    "old-borg": Trouble("borg", ("borg 1.1.15 is too old", "borg 1.2 or 1.4", "BorgPath in [Borg.Server]")),
    "mute-borg": Trouble("serve", ("does not answer", "`borg serve`")),
    "talking": Trouble("serve", ("its shell prints something before borg", "~/.bashrc")),
    "root-missing": Trouble("root", ("does not exist: the first run makes it", "mount it"), mark="warning"),
    "root-file": Trouble("root", ("is not a folder", "RootDir")),
    "root-read-only": Trouble("root", ("is not writable by root", "install -d -m 700 -o root")),
    "root-unmakeable": Trouble("root", ("does not exist, and root may not make it", "install -d")),
    "root-linked": Trouble("path", ("RootDir leads to /", "/real"), mark="note"),
    "sharing": Trouble("path", ("the repositories of web and mail are the same folder", "SubDir of its own")),
    "full": Trouble("space", ("no room for a session", "1.0 MB free, less 612 MB (MinFree)", "MinFree")),
    "scarce": Trouble("space", ("little is left: 682 MB of 682 MB", "fewer archives"), mark="warning"),
    "other-disk": Trouble("hard links", ("another file system than RootDir", "on one file system"), mark="warning"),
}
SSHD = {
    "no-shell": "ForceCommand /bin/false",
    "talking": forced_shell("echo Welcome"),
}
BORGS = {
    "old-borg": 'case $1 in --version) echo borg 1.1.15 ;; *) exec /usr/bin/borg "$@" ;; esac',
    "mute-borg": "case $1 in --version) echo borg 1.2.4 ;; *) exit 0 ;; esac",
}
# In a mount namespace of that host alone.
MOUNTS = {
    "root-read-only": "mount -t tmpfs -o ro none {}",
    "root-unmakeable": "mount -t tmpfs -o ro none {}",
    "full": "mount -t tmpfs -o size=1m none {}",
    "scarce": "mount -t tmpfs -o size=650m none {}",
    "other-disk": "mount -t tmpfs none {}/elsewhere",
}


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    """A folder for each host's RootDir, prepared for its trouble."""
    folder = tmp_path_factory.mktemp("roots")
    found = {name: folder / name for name in (*GOOD, *TROUBLES)}
    for name, root in found.items():
        if name not in ("root-missing", "root-file", "root-linked"):
            root.mkdir()
    found["root-file"].write_text("a letter")
    (folder / "real").mkdir()
    found["root-linked"].symlink_to(folder / "real")
    (found["sharing"] / "web").mkdir()
    (found["sharing"] / "mail").symlink_to("web")
    (found["other-disk"] / "elsewhere").mkdir()
    return found


@pytest.fixture(scope="module")
def servers(tmp_path_factory, roots) -> Iterator[World]:
    """A world where each target's host plays a backup server."""
    tools = tmp_path_factory.mktemp("tools")
    for tool in TOOLS:
        (tools / tool).symlink_to(shutil.which(tool))
    fewer = tmp_path_factory.mktemp("fewer")
    for tool in set(TOOLS) - {"find", "setsid"}:
        (fewer / tool).symlink_to(shutil.which(tool))
    lines = SSHD | {name: forced_shell(f"PATH={at}") for name, at in {"few-tools": tools, "no-setsid": fewer}.items()}
    spots = [
        Spot(name=name, sshd_lines=tuple(filter(None, [lines.get(name)])), prefix=_prefix(name, roots))
        for name in roots
    ]
    with loopback_world(spots, planted=False) as world:
        keys = world.target("forced-serve").host
        line = f'command="/usr/bin/borg serve --restrict-to-path /" {keys.key.public}\n'
        (keys.directory / "authorized_keys").write_text(line)
        yield world


def _prefix(name: str, roots: dict[str, Path]) -> tuple[str, ...]:
    if name not in MOUNTS:
        return ()
    mount = MOUNTS[name].format(roots[name])
    return ("unshare", "-m", "--propagation", "private", "sh", "-c", f'{mount} && exec "$@"', "sh")


@pytest.fixture(scope="module")
def examined(servers, roots) -> dict[str, dict[str, Finding]]:
    """What was found on each of them, by the row."""
    return asyncio.run(_all(servers, roots))


async def _all(world: World, roots: dict[str, Path]) -> dict[str, dict[str, Finding]]:
    found = await asyncio.gather(*(_one(world, name, root) for name, root in roots.items()))
    return dict(zip(roots, found, strict=True))


async def _one(world: World, name: str, root: Path) -> dict[str, Finding]:
    text = world.lab.config_text(_config(world, name, root))
    config = configs.read(text, check_key=lambda key: None, check_known_host=lambda *host: None)
    with tempfile.TemporaryDirectory(prefix="bptest-", dir="/dev/shm") as directory:
        found = await fleet.examine(config, (), directory=Path(directory), emit=lambda event: None)
    return {finding.what: finding for finding in found if finding.party == BACKUP_SERVER}


def _config(world: World, name: str, root: Path) -> dict:
    config = world.lab.config()
    hosts = {table["Name"]: table for table in config["Servers"]}
    server = dict(hosts[name]["Connection"])
    quick = script(world.target(name).host.directory / "borg", BORGS.get(name, QUICK))
    server["BorgPath"] = {"no-borg": "/nowhere/borg", "good-1.4": borg_14()}.get(name, quick)
    if name == "changed-key":
        server["KnownHost"] = f"{server['KnownHost'].split()[0]} {world.target('good').host.host_key.public}"
    if name == "other-key":
        server["PrivateKey"] = world.target("good").host.key.private
    below = root / "below" if name == "root-unmakeable" else root
    config["Borg"] |= {"RootDir": str(below), "Server": server}
    config["Servers"] = [_target(hosts["good"], each) for each in ("web", "mail")]
    if name == "other-disk":
        config["Servers"][1]["BorgTarget"] |= {"SubDir": "elsewhere/mail"}
    return config


def _target(table: dict, name: str) -> dict:
    return table | {"Name": name, "BorgTarget": table["BorgTarget"] | {"SubDir": name}}


@pytest.mark.parametrize("name", TROUBLES)
def test_what_is_wrong_with_a_backup_server_is_found_with_its_way_out_and_nothing_else_is(examined, name):
    trouble, rows = TROUBLES[name], examined[name]
    at_fault = rows[trouble.row]
    assert at_fault.mark == trouble.mark, at_fault
    assert [word for word in trouble.words if word not in f"{at_fault.detail} {at_fault.hint}"] == [], at_fault
    assert at_fault.hint or trouble.mark == "note", "nothing is said of what to do"
    others = {what: row.mark for what, row in rows.items() if what != trouble.row}
    assert [what for what, mark in others.items() if mark == "unseen"] == list(trouble.unseen)
    assert set(others.values()) <= {"ok", "unseen"}, others


@pytest.mark.parametrize("name", GOOD)
def test_a_good_backup_server_has_a_tick_in_each_row(examined, name):
    assert {row.mark for row in examined[name].values()} == {"ok"}, examined[name]
    assert list(examined[name]) == ["connect", "shell", *UNSEEN_WITHOUT_SHELL]


def test_nothing_was_made_on_any_of_them(examined, servers, roots):
    left = {name: sorted(place.name for place in root.iterdir()) for name, root in roots.items() if root.is_dir()}
    expected = {"sharing": ["mail", "web"], "other-disk": ["elsewhere"]}
    assert left == {name: expected.get(name, []) for name in left}
    assert not roots["root-missing"].exists()
    assert servers.leftovers() == []
