"""Hosts as a hardened one is: a target, a backup server, or both. This machine stays as it is.

Each sshd has a mount namespace of its own, with an `sh` that is bash, a /tmp from which nothing may be executed, a
/proc that hides the processes of others, and files of its own in /etc. Needs root, and sudo.
"""

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import Spot, processes

from .place import ROOT, World, loopback_world
from .reading import connections, script

TMOUT = 1
# Longer than that.
PAUSE = 2
LOGINS = {"web": ("backup-login", 61_234), "B": ("borg-login", 61_235)}
SUDOERS = f"{LOGINS['web'][0]} ALL=(root) NOPASSWD: NOLOG_INPUT:"
BOTH = ("B", "web")
BANNER = "Authorized use only.\nAll sessions are recorded.\nborg: error: exit 255\n"
# What an operator leaves in /etc/environment for a borg that is used by hand. PAM hands it on.
ENVIRONMENT = {
    "BORG_LOGGING_CONF": "/nonexistent",
    "BORG_RSH": "false",
    "BORG_REPO": "elsewhere:/nowhere",
    "BORG_EXCLUDE_FROM": "/nonexistent",
    "BORG_EXIT_CODES": "modern",
    "BORG_PASSCOMMAND": "false",
    "LC_ALL": "xx_XX.UTF-8",
}
# As `useradd` has it, with a profile for all. A variable that is read-only stays so in this one shell.
_BASHRC = f"""\
readonly TMOUT={TMOUT}
export TMOUT
echo 'This system is monitored' >&2
"""
# A backup server whose shell prints this gives borg no way to speak with it: doctor says so.
NOISE = "echo 'Welcome. You have mail.'\nprintf 'no line end'\n"
_BASH_ENV = f"export TMOUT={TMOUT}\nset -o noclobber\necho 'a profile for all speaks' >&2\n"
_SUDO_DEFAULTS = """\
Defaults env_reset
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Defaults use_pty
root ALL=(ALL:ALL) ALL
"""
# Every /proc is mounted anew. To mount the old one again with other options would change it for the whole machine.
_ALONE = r"""
set -e
place=$1
shift
for name in passwd sudoers environment; do mount --bind "$place/$name" "/etc/$name"; done
mount --bind "$place/pam" /etc/pam.d/sudo
mount -t tmpfs -o noexec,nosuid,nodev,mode=1777 tmpfs /tmp
mount -t proc -o hidepid=2 proc /proc
mount --bind "$(readlink -f /bin/bash)" "$(readlink -f /bin/sh)"
umask 077
exec "$@"
"""


@dataclass(frozen=True)
class Hardened:
    """A world with one target. `names` says which of its hosts are hardened, `place` has a folder for each of them."""

    world: World
    names: tuple[str, ...]
    place: Path

    def config(self, **options: Any) -> dict[str, Any]:
        """Return the config, with these options of the target."""
        config = self.world.lab.config()
        (entry,) = config["Servers"]
        config["Borg"] |= {"CheckEvery": "never", "Retries": 1}
        if "web" in self.names:
            entry["Connection"]["Username"] = LOGINS["web"][0]
            entry["Sudo"] = True
        if "B" in self.names:
            config["Borg"]["Server"]["Username"] = LOGINS["B"][0]
        entry |= options
        return config

    def asked(self, name: str, command: str) -> str:
        """Return what a plain ssh to the login of a host prints for a command."""
        host = dataclasses.replace(self.world.lab.host(name), user=LOGINS[name][0])
        argv = self.world.ssh(host, command)
        return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL).stdout

    def allow(self, *programs: str) -> None:
        """Let sudo on a hardened target run these programs, and nothing else."""
        if "web" not in self.names:
            return
        lines = "".join(f"{SUDOERS} {program}\n" for program in programs)
        (self.place / "web" / "sudoers").write_text(_SUDO_DEFAULTS + lines)

    def tell_sudo(self, **settings: str) -> None:
        """Have the PAM of sudo on the target hand on these settings alone."""
        (self.place / "web" / "sudo_environment").write_text(_assigned(settings))

    def attacking(self, move: str) -> str:
        """Return the path of a malicious borg for the target, which tests/attacks tells what to do."""
        own = self.place / "attacks"
        # A checkout below /tmp is not to be seen on the target.
        shutil.copytree(ROOT / "tests" / "attacks", own, dirs_exist_ok=True)
        return script(own / "borg", f'exec /usr/bin/python3 {own}/attack.py {move} "$@"\n')

    def slow(self, word: str) -> str:
        """Return the path of a borg that takes longer than TMOUT before it does what has `word` in its arguments."""
        path = script(self.place / "slow-borg", f'case "$*" in *{word}*) sleep {PAUSE} ;; esac\nexec borg "$@"\n')
        self.allow("/usr/bin/borg", path)
        return path

    def below(self, name: str) -> list[str]:
        """Return what sessions of a hardened host left running, but for sshd itself, and what lies in its /tmp."""
        host = self.world.lab.host(name)
        # What lost its parent is no descendant any more, and still has the home of its user in its environment.
        pids = {*processes.descendants(host.pid), *processes.mentioning(str(self.place / name))}
        told = [processes.traces(pid) for pid in pids]
        running = [os.fsdecode(each.replace(b"\0", b" ")[:120]) for each in told if each]
        return [each for each in running if not each.startswith("sshd: ")] + self._temporary(name)

    def _temporary(self, name: str) -> list[str]:
        host = self.world.lab.host(name)
        there = Path(f"/proc/{host.pid}/root/tmp") if name in self.names else host.temporary
        return [f"left on {name}: /tmp/{each.name}" for each in there.iterdir()]

    def leftovers(self, *, seconds: float = 15.0) -> list[str]:
        """Return what a run left behind, also in the /tmp of the hosts."""
        found = self.world.leftovers(seconds=seconds)
        return found + [each for name in self.names for each in self._temporary(name)]


def cut(host: Any, *, how: signal.Signals = signal.SIGKILL) -> None:
    """End, or stop, the processes of sshd that hold the connections to a host: that of root, and that of the user."""
    for pid in (each for one in connections(host) for each in (one, *processes.descendants(one))):
        if processes.traces(pid).startswith(b"sshd: "):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)


@contextlib.contextmanager
def hardened_world(*names: str) -> Iterator[Hardened]:
    """Start B and the target web, of which those in `names` are hardened."""
    _needs_root_and_sudo()
    # Not in /tmp, which is another one on these hosts.
    parent = Path("/var/tmp") if Path(tempfile.gettempdir()).is_relative_to("/tmp") else None
    with tempfile.TemporaryDirectory(prefix="bphard-", dir=parent) as folder:
        place = Path(folder)
        place.chmod(0o711)
        spots = {name: _spot(place, name) if name in names else Spot(name=name) for name in BOTH}
        with loopback_world([spots["web"]], server=spots["B"], parent=parent) as world:
            world.lab.directory.chmod(0o711)
            for name in names:
                host, (_, uid) = world.lab.host(name), LOGINS[name]
                _give(uid, host.directory, *([world.lab.root] if name == "B" else [host.temporary]))
            if "web" in names:
                # Root alone may read it.
                os.chown(world.target("web").source, 0, 0)
                world.target("web").source.chmod(0o700)
            made = Hardened(world, names, place)
            made.allow("/usr/bin/borg")
            yield made


def _spot(place: Path, name: str) -> Spot:
    login, uid = LOGINS[name]
    own = place / name
    for folder, mode in ((own, 0o711), (own / "root", 0o700), (own / "home", 0o700)):
        folder.mkdir(mode=mode)
        folder.chmod(mode)
    _give(uid, own / "home")
    sudo_pam = Path("/etc/pam.d/sudo").read_text()
    (_, *others) = Path("/etc/passwd").read_text().splitlines(keepends=True)
    texts = {
        "passwd": f"root:x:0:0:root:{own}/root:/bin/bash\n{''.join(others)}"
        f"{login}:*:{uid}:{uid}::{own}/home:/bin/bash\n",
        "sudoers": _SUDO_DEFAULTS,
        "environment": _assigned(ENVIRONMENT),
        # As Ubuntu has it. A passphrase command is left out: nothing keeps root's borg from obeying it.
        "pam": f"session required pam_env.so readenv=1 envfile={own}/sudo_environment\n{sudo_pam}",
        "sudo_environment": _assigned({key: value for key, value in ENVIRONMENT.items() if key != "BORG_PASSCOMMAND"}),
        "banner": BANNER,
        "bash_env": _BASH_ENV,
        "home/.bashrc": _BASHRC + (NOISE if name == "web" else ""),
    }
    for file, text in texts.items():
        (own / file).write_text(text)
        (own / file).chmod(0o440 if file == "sudoers" else 0o644)
    settings = f"TMOUT={TMOUT} BASH_ENV={own}/bash_env SHELLOPTS=errexit:noclobber BORG_SELFTEST=disabled"
    lines = [f"SetEnv {settings}", f"Banner {own}/banner", "MaxSessions 4"]
    if name == "web":
        lines.append("AllowTcpForwarding no")
    return Spot(name=name, prefix=("unshare", "--mount", "sh", "-c", _ALONE, "sh", str(own)), sshd_lines=tuple(lines))


def _assigned(settings: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _give(uid: int, *places: Path) -> None:
    for own in places:
        for place in (own, *own.rglob("*")):
            os.chown(place, uid, uid, follow_symlinks=False)


def _needs_root_and_sudo() -> None:
    """Skip the test where such hosts cannot be made; where CI is set, that is a failure."""
    if os.getuid() == 0 and shutil.which("sudo") and _has_a_proc_of_its_own():
        return
    if os.environ.get("CI"):
        pytest.fail("CI must run as root, with Linux 5.8 or later, and have sudo: `make test` installs it")
    pytest.skip("needs root, Linux 5.8 or later, and sudo")


def _has_a_proc_of_its_own() -> bool:
    """Tell whether each mount of /proc has options of its own: before Linux 5.8 hidepid would reach this machine's."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(filter(str.isdigit, minor)) or 0)) >= (5, 8)
