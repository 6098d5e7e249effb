"""C itself: the programs that it needs, the place of its keys, and what could write them to a disk. Contacts nobody."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from .. import __version__, runtime_dir
from ..borg.version import read_version
from ..errors import CONTROLLER, Failure
from ..process import run_now
from ..results import Finding, Mark
from ..untrusted import clean
from .checks import Checks

ROWS = ("python", "borgpull", "ssh", "borg", "socat", "keys", "cache", "core dumps", "swap")
_PACKAGES = {"ssh": "openssh-client", "ssh-keygen": "openssh-client", "borg": "borgbackup", "socat": "socat"}
# Without these not even the config can be checked.
_NEEDED = {"ssh", "keys"}
# `Ciphers=^...` is understood from 8.1 on.
_OLDEST_SSH = (8, 1)
_SSH = re.compile(r"OpenSSH_([0-9]{1,3})\.([0-9]{1,3})\S*", re.ASCII)
_SOCAT = re.compile(r"socat version ([0-9][0-9A-Za-z.]{0,20})", re.ASCII)


def check_controller(*, memory: Path | Failure, cache: Path) -> tuple[Finding, ...]:
    """Look at C; `memory` is the private directory of this run, or why there is none."""
    checks = Checks(CONTROLLER, ROWS)
    checks.ok("python", platform.python_version())
    checks.ok("borgpull", __version__)
    for program in ("ssh", "borg", "socat"):
        with checks.attempt(program):
            checks.ok(program, _version(program))
    if isinstance(memory, Failure):
        checks.cross("keys", memory)
    else:
        checks.ok("keys", f"in memory, below {memory.parent}")
    _look_at_cache(checks, cache)
    _look_at_dumps(checks, _read("/proc/sys/kernel/core_pattern"))
    check_swap(checks, _read("/proc/swaps"))
    return checks.findings


def can_go_on(findings: tuple[Finding, ...]) -> bool:
    """Tell whether the config can be read and others be contacted, after what was found on C."""
    return not any(finding.what in _NEEDED and finding.mark is Mark.FAILED for finding in findings)


def require(*programs: str) -> None:
    """See that programs are installed. Raises Failure, naming the package."""
    for program in programs:
        if shutil.which(program) is None:
            hint = f"apt install {_PACKAGES[program]}"
            raise Failure(CONTROLLER, f"{program} is not installed on this machine", hint=hint)


def _version(program: str) -> str:
    match program:
        case "ssh":
            require("ssh-keygen")
            return _read_ssh(_said("ssh", "-V"))
        case "borg":
            return read_version(CONTROLLER, _said("borg", "--version"))
        case _:
            found = _SOCAT.search(_said("socat", "-V"))
            return found[1] if found else ""


def _said(program: str, option: str) -> str:
    require(program)
    try:
        done = run_now([program, option])
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(
            CONTROLLER, f"{program} cannot be run: {type(error).__name__}", hint=f"type `{program} {option}`"
        ) from None
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def _read_ssh(said: str) -> str:
    found = _SSH.search(said)
    if found is None:
        raise Failure(
            CONTROLLER, f"its ssh is not OpenSSH: {clean(said, longest=80)}", hint="apt install openssh-client"
        )
    if (int(found[1]), int(found[2])) < _OLDEST_SSH:
        raise Failure(CONTROLLER, f"its ssh is too old: {found[0]}", hint="install OpenSSH 8.4 or later")
    return found[0].removeprefix("OpenSSH_")


def _look_at_cache(checks: Checks, cache: Path) -> None:
    there = cache
    while not there.exists() and there != there.parent:
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        checks.ok("cache", str(cache))
    else:
        failure = Failure(CONTROLLER, f"borg's cache cannot be kept in {cache}", hint="give another --cache-dir")
        checks.cross("cache", failure)


def _look_at_dumps(checks: Checks, pattern: str) -> None:
    # A limit of 0 stops no program to which the kernel pipes a dump (core(5)); systemd's obeys the limit all the same.
    if not runtime_dir.is_hardened():
        checks.warn("core dumps", "they could not be switched off", "`ulimit -c 0` before borgpull is started")
    elif pattern.startswith("|") and "systemd-coredump" not in pattern:
        program = clean(pattern[1:].partition(" ")[0], longest=80)
        checks.warn(
            "core dumps",
            f"a crashed ssh or borg, with what it has in memory, would be handed to {program} whatever the limit",
            "`sysctl kernel.core_pattern=core` on this machine (in a container: on its host)",
        )
    elif not pattern:
        checks.note(
            "core dumps",
            "off; whether they would be handed to a program whatever the limit cannot be told",
            "`sysctl kernel.core_pattern` on the host of this container",
        )
    else:
        checks.ok("core dumps", "off")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        # A kernel without swap has no list of it, and a container may hide either.
        return ""


def check_swap(checks: Checks, swaps: str) -> None:
    """Judge the text of /proc/swaps. Whether a place is encrypted it does not say; zram lies in memory."""
    fields = [line.split()[0].replace("\\040", " ") for line in swaps.splitlines()[1:] if line.strip()]
    places = [clean(place) for place in fields if not place.startswith("/dev/zram")]
    if places:
        checks.note(
            "swap",
            f"keys and passphrases in memory may be written to {', '.join(places)}, unless that is encrypted",
            "`swapoff -a` here, and take it out of /etc/fstab; or encrypt it (crypttab: /dev/urandom, option swap)",
        )
    else:
        checks.ok("swap", "none on a disk")
