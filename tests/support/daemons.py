"""Hosts on which the ssh daemon has another name, or whose processes cannot be looked up as on a plain one.

Each kind is real: a copy of sshd, a pid namespace, sessions that are put into one, a /proc that hides. Needs root.
"""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import Spot, processes
from lab.sshd import find_program

from .place import World, loopback_world
from .reading import until
from .sudo import LOGIN, LOGIN_ID, passwd_with

# Renamed: as with Tailscale SSH or Teleport. Namespaced: a daemon in a container of its own. Entered: each session is
# put into a container, so that its parent is none that can be seen there (`docker exec`, pid 0), and the container's
# process 1 collects no child. Hidden: an ordinary user sees its own processes alone.
RENAMED, NAMESPACED, ENTERED, HIDDEN = KINDS = ("renamed", "namespaced", "entered", "hidden")
DAEMON = "tailscaled"
# `unshare --fork` ignores SIGTERM (util-linux 2.38).
_NAMESPACE = 'unshare --pid --fork --kill-child --mount-proc "$@" & trap "kill -KILL $!" TERM; wait $!'
_NAMESPACED = ("sh", "-c", _NAMESPACE, "sh")
# What is left of a host on which nobody is at work.
IDLE = ("unshare", "[listener]")
_HIDE = 'mount --bind "$1" /etc/passwd && mount -t proc -o hidepid=2 proc /proc && shift && exec "$@"'


def renamed_daemon(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make a copy of sshd with another name; return the prefix that starts it, and lines for its configuration."""
    copy = folder / DAEMON
    shutil.copy(find_program("sshd") or "", copy)
    lines = ()
    session = Path("/usr/lib/openssh/sshd-session")  # since OpenSSH 9.8 this serves a connection
    if session.exists():
        shutil.copy(session, folder / f"{DAEMON}-session")
        lines = (f"SshdSessionPath {folder / f'{DAEMON}-session'}",)
    return ("sh", "-c", f'shift; exec {copy} "$@"', "sh"), lines


def _container(log: Path, stack: contextlib.ExitStack) -> tuple[str, ...]:
    """Start a pid namespace whose process 1 only sleeps; return the line that puts each session into it."""
    keeper = stack.enter_context(processes.daemon([*_NAMESPACED, "sh", "-c", "echo up; exec sleep 100000"], log=log))
    until(lambda: log.read_text() == "up\n")
    (inside,) = (pid for pid in processes.descendants(keeper) if processes.traces(pid).startswith(b"sleep"))
    at = f"/proc/{inside}/ns"
    enter = f"nsenter --pid={at}/pid --mount={at}/mnt --"
    return (f"ForceCommand exec {enter} sh -c 'cd; exec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\"'",)


def _spot(kind: str, name: str, folder: Path, stack: contextlib.ExitStack) -> Spot:
    match kind:
        case "renamed":
            prefix, lines = renamed_daemon(folder)
            return Spot(name=name, prefix=prefix, sshd_lines=lines)
        case "namespaced":
            return Spot(name=name, prefix=_NAMESPACED)
        case "entered":
            return Spot(name=name, sshd_lines=_container(folder / f"{name}.log", stack))
    return Spot(name=name, prefix=("unshare", "--mount", "sh", "-c", _HIDE, "sh", str(folder / "passwd")))


@contextlib.contextmanager
def strange_world(kind: str) -> Iterator[tuple[World, dict[str, Any]]]:
    """Start B and the target `web`, both of this kind; yields the config too."""
    if os.getuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("CI must run as root, to make namespaces")
        pytest.skip("needs root, to make namespaces")
    with tempfile.TemporaryDirectory(prefix="bpkind-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        (folder / "passwd").write_text(passwd_with(LOGIN, "/root"))
        server, target = (_spot(kind, host, folder, stack) for host in ("B", "web"))
        with loopback_world([target], server=server, planted=False) as world:
            config = world.lab.config()
            if kind == HIDDEN:
                _give_away(world)
                config["Borg"]["Server"]["Username"] = LOGIN
                config["Servers"][0]["Connection"]["Username"] = LOGIN
            yield world, config


def _give_away(world: World) -> None:
    world.lab.directory.chmod(0o711)
    host = world.target("web").host
    for own in (world.lab.server.directory, world.lab.root, host.directory):
        for place in (own, *own.rglob("*")):
            os.chown(place, LOGIN_ID, LOGIN_ID)


class Suspended:
    """A process and all that it started, stopped at once, as a laptop is whose lid is shut."""

    def __init__(self, pid: int) -> None:
        self.pids: list[int] = []
        while new := [each for each in (pid, *processes.descendants(pid)) if each not in self.pids]:
            for each in new:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGSTOP)
            self.pids += new

    def wake(self) -> None:
        """Let all of them go on, the first one first."""
        for each in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)

    def kill(self) -> None:
        processes.end(self.pids)


@contextlib.contextmanager
def suspended(pid: int) -> Iterator[Suspended]:
    """Stop a process and all that it started; nothing of them is left stopped when the context ends."""
    made = Suspended(pid)
    try:
        yield made
    finally:
        made.wake()
