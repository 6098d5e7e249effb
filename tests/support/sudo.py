"""A host whose login is an ordinary user, and a target whose sudo has rules of its own: this machine stays as it is.

Its sshd has a mount namespace of its own, in which /etc/passwd and /etc/sudoers are others. Needs root, and sudo.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import Spot, Target

from .place import World, loopback_world

LOGIN = "backup-login"
LOGIN_ID = 61_234
_ALONE = 'mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/sudoers && shift 2 && exec "$@"'
# The same with no sudoers of its own.
_ALONE_WITHOUT_SUDO = 'mount --bind "$1" /etc/passwd && shift && exec "$@"'
# As Debian 12 has it (sudo 1.9.13p3).
_DEBIAN_DEFAULTS = """\
Defaults env_reset
Defaults mail_badpass
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Defaults use_pty
root ALL=(ALL:ALL) ALL
"""


@dataclass(frozen=True)
class Sudoing:
    """A world with one target, to which C logs in as LOGIN. `home` is root's there, `rules` its sudoers."""

    world: World
    home: Path
    rules: Path
    login: str = LOGIN

    @property
    def target(self) -> Target:
        (target,) = self.world.targets
        return target

    def config(self, **options: Any) -> dict[str, Any]:
        """Return the config with Sudo, and these options of the target."""
        config = self.world.lab.config()
        (entry,) = config["Servers"]
        config["Borg"]["CheckEvery"] = "never"
        entry["Connection"]["Username"] = self.login
        entry |= {"Sudo": True} | options
        return config

    def allow(self, *lines: str) -> None:
        """Let sudo obey these lines, after those that Debian has."""
        self.rules.write_text(_DEBIAN_DEFAULTS + "".join(f"{line}\n" for line in lines))


def _needs_root_and_sudo() -> None:
    """Skip the test where no other sudoers can be had; where CI is set, that is a failure."""
    if os.getuid() == 0 and shutil.which("sudo"):
        return
    if os.environ.get("CI"):
        pytest.fail("CI must run as root, and have sudo: `make test` installs it")
    pytest.skip("needs root, and sudo")


def passwd_with(login: str, home: Path | str) -> str:
    """Return /etc/passwd with `login` in it, and root at `home`."""
    (_, *others) = Path("/etc/passwd").read_text().splitlines(keepends=True)
    return f"root:x:0:0:root:{home}:/bin/sh\n{''.join(others)}{login}:*:{LOGIN_ID}:{LOGIN_ID}::/nowhere:/bin/sh\n"


@contextlib.contextmanager
def unprivileged_server(*, login: str = LOGIN) -> Iterator[tuple[World, dict[str, Any]]]:
    """Start a target, and B, to which C logs in as the ordinary user `login`; yields the config too."""
    _needs_root_and_sudo()
    with tempfile.TemporaryDirectory(prefix="bplogin-") as name:
        passwd = Path(name) / "passwd"
        passwd.write_text(passwd_with(login, "/root"))
        alone = ("unshare", "--mount", "sh", "-c", _ALONE_WITHOUT_SUDO, "sh", str(passwd))
        with loopback_world(["web"], server=Spot(name="B", prefix=alone)) as world:
            world.lab.directory.chmod(0o711)
            for own in (world.lab.server.directory, world.lab.server.temporary, world.lab.root):
                for place in (own, *own.rglob("*")):
                    os.chown(place, LOGIN_ID, LOGIN_ID)
            config = world.lab.config()
            config["Borg"]["Server"]["Username"] = login
            yield world, config


@contextlib.contextmanager
def sudoing_world(*, sshd_lines: tuple[str, ...] = (), login: str = LOGIN) -> Iterator[Sudoing]:
    """Start B and a target with files that only root may read, whose login may not do anything as root yet."""
    _needs_root_and_sudo()
    with tempfile.TemporaryDirectory(prefix="bpsudo-") as name:
        place = Path(name)
        place.chmod(0o711)
        home, passwd, rules = place / "root", place / "passwd", place / "sudoers"
        home.mkdir(mode=0o700)
        passwd.write_text(passwd_with(login, home))
        rules.touch(mode=0o440)
        alone = ("unshare", "--mount", "sh", "-c", _ALONE, "sh", str(passwd), str(rules))
        with loopback_world([Spot(name="web", prefix=alone, sshd_lines=sshd_lines)]) as world:
            world.lab.directory.chmod(0o711)
            host = world.target("web").host
            for own in (host.directory, host.temporary):
                os.chown(own, LOGIN_ID, LOGIN_ID)
            world.target("web").source.chmod(0o700)
            made = Sudoing(world, home, rules, login)
            made.allow()
            yield made
