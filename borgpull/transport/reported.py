"""What a session on T says before its borg begins: what it lacks, its clock, its folder. All of it is hostile text."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator

from .. import process, ssh
from ..borg.failure import missing_borg
from ..errors import Failure
from ..retention import Source
from ..untrusted import clean, last_lines
from . import sudo
from .preflight import LONGEST_FOLDER, agreed_folder, missing_patterns, missing_socat, refuse_clock, refuse_missing
from .scripts import SEEN_AT
from .target_commands import CreateArchive, TargetCommand

# What the script says besides a line for each path that is missing; and no word of it is longer than a folder.
_OTHER_FACTS = 8
_NO_FOLDER = 91
_SECONDS = 60.0
_LONGEST_FACT = 2 * LONGEST_FOLDER
_LONGEST_LINK = 100
_SOURCE = re.compile(r"([0-9]{1,9}) (folder|file|link|other|unknown) ([01-]) ([01-]) (.*)", re.ASCII | re.DOTALL)


async def look(
    master: ssh.Master, command_for: TargetCommand, child: process.Child, output: AsyncIterator[bytes], mark: str
) -> tuple[str, tuple[Source, ...], str]:
    """Return the folder of the session, what the source paths are, and which repository T's borg has seen at its place.

    However long T takes to name the folder.

    Raises Failure when T lacks something.
    """
    seen = [fact async for fact in _seen(output, mark, most=2 * len(command_for.sources) + _OTHER_FACTS)]
    if not seen or seen[-1][0] != "place":
        said, _ = await process.read_all(child.stderr)
        raise await _no_shell(master, child, said)
    _refuse(master.party, command_for, seen)
    told = [int(value) for word, value in seen if word == "clock" and re.fullmatch(r"[0-9]{1,12}", value, re.ASCII)]
    refuse_clock(master.party, told[0] - time.time() if told else 0.0)
    known = next((clean(value) for word, value in seen if word == "seen"), "")
    return agreed_folder(master.party, seen[-1][1]), tuple(_sources(command_for, seen)), known


async def ask_seen(master: ssh.Master, location: str) -> str:
    """Return the id of a repository that borg on T has seen there, "" for none. Raises Failure."""
    script, doing = f'{SEEN_AT}part seen seen_at "$1"', "ask what its borg has seen"
    return (await ssh.ask(master, script, location, doing=doing, seconds=_SECONDS)).text("seen")


def _sources(command_for: TargetCommand, seen: list[tuple[str, str]]) -> Iterator[Source]:
    for word, value in seen:
        found = _SOURCE.fullmatch(value) if word == "source" else None
        if found and int(found[1]) < len(command_for.sources):
            yield Source(
                path=command_for.sources[int(found[1])],
                kind=found[2],
                holds=_known(found[3]),
                mount=_known(found[4]),
                leads=clean(found[5], longest=_LONGEST_LINK),
            )


def _known(letter: str) -> bool | None:
    return None if letter == "-" else letter == "1"


async def _seen(output: AsyncIterator[bytes], mark: str, *, most: int) -> AsyncIterator[tuple[str, str]]:
    # Lines without the mark come from a ~/.bashrc, which bash reads for ssh commands too.
    async for line in output:
        words = line.decode("utf-8", "replace").split(" ", 2)
        if words[0] == mark and len(words) == 3:
            yield words[1], words[2][:_LONGEST_FACT]
            most -= 1
            if words[1] == "place" or not most:
                return


async def _no_shell(master: ssh.Master, child: process.Child, said: bytes) -> Failure:
    status = await child.wait()
    text = said.decode("utf-8", "replace")
    if died := ssh.killed(master.party, status):
        return died
    if status == ssh.SSH_FAILED:
        return master.failure(text, doing="open a session")
    return Failure(
        master.party,
        f"no directory below /tmp, or no shell, for the session there (exit {status}): {clean(text)}",
        hint="the account needs /bin/sh, a writable /tmp with mktemp, and no `command=` in authorized_keys",
        detail=last_lines(text),
        # With this one it says so itself; with any other a fork may have been refused, or a program killed.
        transient=status != _NO_FOLDER,
    )


def _refuse(party: str, command_for: TargetCommand, seen: list[tuple[str, str]]) -> None:
    lacks = {value for word, value in seen if word == "lacks"}
    if "borg" in lacks:
        raise missing_borg(party, command_for.target.borg_path)
    refused = [value for word, value in seen if word == "refused"]
    if refused and command_for.sudo_user:
        raise sudo.refusal(party, command_for.sudo_user, command_for.target.borg_path, refused[0])
    if "socat" in lacks:
        raise missing_socat(party)
    if "patterns" in lacks and isinstance(command_for, CreateArchive):
        raise missing_patterns(party, command_for.target.patterns_from)
    missing = [int(value) for word, value in seen if word == "missing" and re.fullmatch(r"[0-9]{1,9}", value)]
    paths = [command_for.sources[index] for index in missing if index < len(command_for.sources)]
    refuse_missing(party, paths, so="; nothing was backed up")
