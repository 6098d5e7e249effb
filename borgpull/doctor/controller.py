"""The controller: its programs, where keys are kept, and what could write them to a disk. Contacts no other host."""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import stat
import subprocess
from pathlib import Path

from .. import __version__, runtime_dir
from ..borg.version import read_version
from ..errors import CONTROLLER, Failure, plural
from ..process import run_now
from ..results import Finding, Mark
from ..untrusted import clean
from .checks import Checks, socat_version

ROWS = ("python", "borgpull", "ssh", "borg", "socat", "keys", "cache", "core dumps", "swap")
# What the config asks of this machine.
CONFIG_ROWS = ("descriptors",)
STATE_ROWS = ("StateDir",)
_PACKAGES = {"ssh": "openssh-client", "ssh-keygen": "openssh-client", "borg": "borgbackup", "socat": "socat"}
# Without these not even the config can be checked.
_NEEDED = {"ssh", "keys"}
# `Ciphers=^...` is understood from 8.1 on.
_OLDEST_SSH = (8, 1)
_SSH = re.compile(r"OpenSSH_([0-9]{1,3})\.([0-9]{1,3})\S*", re.ASCII)


def check_controller(*, memory: Path | Failure, cache: Path) -> tuple[Finding, ...]:
    """Check the controller; `memory` is the private directory of this run, or why there is none."""
    checks = Checks(CONTROLLER, ROWS)
    checks.ok("python", platform.python_version())
    checks.ok("borgpull", __version__)
    with checks.catching("ssh"):
        checks.ok("ssh", _ssh_version())
    with checks.catching("borg"):
        checks.ok("borg", read_version(CONTROLLER, _output_of("borg", "--version")))
    with checks.catching("socat"):
        checks.ok("socat", socat_version(_output_of("socat", "-V")))
    if isinstance(memory, Failure):
        checks.fail_with("keys", memory)
    elif runtime_dir.goes_with_logout(memory):
        checks.warn("keys", f"in memory, below {memory.parent}, which goes when this user logs out", runtime_dir.LINGER)
    else:
        checks.ok("keys", f"in memory, below {memory.parent}")
    if _is_writable(_existing(cache)):
        checks.ok("cache", str(cache))
    else:
        checks.fail("cache", f"could not keep borg's cache in {cache}", "give another --cache-dir")
    check_core_dumps(checks, _read("/proc/sys/kernel/core_pattern"))
    check_swap(checks, _read("/proc/swaps"))
    return checks.findings


def can_go_on(findings: tuple[Finding, ...]) -> bool:
    """Tell whether the controller can read the config and contact the other hosts."""
    return not any(finding.what in _NEEDED and finding.mark is Mark.FAILED for finding in findings)


def require(*programs: str) -> None:
    """Raise Failure, naming the package, when a program is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            hint = f"apt install {_PACKAGES[program]}"
            raise Failure(CONTROLLER, f"{program} is not installed on this machine", hint=hint)


def _ssh_version() -> str:
    require("ssh-keygen")
    output = _output_of("ssh", "-V")
    found = _SSH.search(output)
    if found is None:
        cause = f"its ssh is not OpenSSH: {clean(output, longest=80)}"
        raise Failure(CONTROLLER, cause, hint="apt install openssh-client")
    if (int(found[1]), int(found[2])) < _OLDEST_SSH:
        raise Failure(CONTROLLER, f"its ssh is too old: {found[0]}", hint="install OpenSSH 8.4 or later")
    return found[0].removeprefix("OpenSSH_")


def _output_of(program: str, option: str) -> str:
    require(program)
    try:
        done = run_now([program, option])
    except (OSError, subprocess.TimeoutExpired) as error:
        cause = f"could not run {program}: {type(error).__name__}"
        raise Failure(CONTROLLER, cause, hint=f"run `{program} {option}`") from None
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def _existing(folder: Path) -> Path:
    """Return `folder`, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _is_writable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        # A kernel without swap has no list of it, and a container may hide either.
        return ""


def check_core_dumps(checks: Checks, pattern: str) -> None:
    """Check that no crash writes keys to a disk; `pattern` is the kernel's core_pattern, empty when unknown."""
    # A limit of 0 stops no program to which the kernel pipes a dump (core(5)); systemd's obeys the limit all the same.
    if not runtime_dir.is_hardened():
        checks.warn("core dumps", "could not be switched off", "run `ulimit -c 0` before you start borgpull")
    elif pattern.startswith("|") and "systemd-coredump" not in pattern:
        program = clean(pattern[1:].partition(" ")[0], longest=80)
        checks.warn(
            "core dumps",
            f"when ssh or borg crashes, the kernel hands its memory to {program} despite the limit",
            "`sysctl kernel.core_pattern=core` on this machine (in a container: on its host)",
        )
    elif not pattern:
        checks.note(
            "core dumps",
            "off; could not check whether the kernel hands them to a program despite the limit",
            "`sysctl kernel.core_pattern` on the host of this container",
        )
    else:
        checks.ok("core dumps", "off")


def check_swap(checks: Checks, swaps: str) -> None:
    """Check the text of /proc/swaps. It does not say whether a swap is encrypted; zram is memory."""
    names = [line.split()[0].replace("\\040", " ") for line in swaps.splitlines()[1:] if line.strip()]
    if on_disk := [clean(name) for name in names if not name.startswith("/dev/zram")]:
        checks.note(
            "swap",
            f"keys and passphrases in memory may be written to {', '.join(on_disk)}, unless that is encrypted",
            "`swapoff -a` here, and take it out of /etc/fstab; or encrypt it (crypttab: /dev/urandom, option swap)",
        )
    else:
        checks.ok("swap", "none on a disk")


def check_descriptors(checks: Checks, jobs: int) -> None:
    """Check that this process may open as many files as a run of `jobs` targets at a time needs."""
    if (most := runtime_dir.most_jobs()) >= jobs:
        checks.ok("descriptors", f"enough for Jobs = {jobs}")
    else:
        checks.warn(
            "descriptors", f"enough for {plural(most, 'target')}, not for Jobs = {jobs}", runtime_dir.DESCRIPTORS
        )


def check_state_dir(checks: Checks, folder: Path) -> None:
    """Check StateDir, where the controller keeps the ledgers of a backup server without a shell."""
    existing = _existing(folder)
    if not _is_writable(existing):
        hint = "StateDir has to be a folder that this user can write to, kept between runs"
        checks.fail("StateDir", f"{existing} is not a folder that this user can write to", hint)
    elif existing != folder:
        checks.ok("StateDir", f"the first run makes {folder}; keep it, it holds the only ledgers")
    elif folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        hint = f"`{shlex.join(['chmod', '700', str(folder)])}`"
        checks.warn("StateDir", f"other users can access {folder}", hint)
    else:
        checks.ok("StateDir", str(folder))
