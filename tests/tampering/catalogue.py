"""The attacks that no session of T may get away with: what each does, what the operator is told, and the exit code."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

OBJECTS = r"\d+ older objects? (was|were) deleted or overwritten"
VANISHED = r"(1 archive|2 archives) vanished: snapshot-"


@dataclass(frozen=True)
class Attack:
    """An attack by its `move` (tests/attacks), in the `words` of an operator; each of `told` begins a line of ours.

    `on_server` is done to the repository's folder on B in the middle of T's session. `more` says whose move it is.
    """

    move: str
    words: str
    told: tuple[str, ...]
    code: int = 3
    name: str = ""
    on_server: Callable[[Path], None] | None = None
    more: bool = False

    @property
    def title(self) -> str:
        """Return a name that can be a target's."""
        return (self.name or self.move).replace("_", "-")


def remove_files(repository: Path) -> None:
    for place in sorted(repository.rglob("*"), reverse=True):
        place.unlink() if place.is_file() else place.rmdir()


def remove_folder(repository: Path) -> None:
    shutil.rmtree(repository)


ATTACKS = (
    Attack("delete_archive", "deletes an archive", (VANISHED, OBJECTS)),
    Attack("delete_chunks", "deletes all chunks", (OBJECTS,)),
    Attack("overwrite_all_chunks", "overwrites all chunks with garbage", (OBJECTS,)),
    Attack("overwrite_one_chunk", "overwrites one chunk with garbage", (r"1 older object was",)),
    Attack("replace_key", "replaces the repository key", (r"the repository key was replaced",)),
    Attack("drop_archives", "drops archives from the list of archives", (VANISHED,)),
    Attack(
        "wait_in_session",
        "removes every file below the repository's path",
        ("the repository is empty",),
        name="remove_files",
        on_server=remove_files,
        more=True,
    ),
    Attack(
        "wait_in_session",
        "removes the repository itself",
        ("the repository is gone",),
        name="remove_folder",
        on_server=remove_folder,
        more=True,
    ),
    Attack(
        "add_dated_archives",
        "adds archives with chosen dates",
        (r"5 archives came that the controller did not ask for: daily-1",),
    ),
    Attack("point_name_elsewhere", "points an old archive's name to another archive", (r"1 archive was replaced",)),
    Attack("backdate", "back-dates the new archive", (r"the new archive is dated 2001-02-03T04:05:06",)),
    Attack(
        "replace_archive", "replaces an archive with one of its name and time", (r"1 archive was replaced", OBJECTS)
    ),
    Attack("change_time", "changes an archive's time, and nothing else", (r"1 archive's time was changed",)),
    Attack(
        "delete_beside_manifest", "deletes an object beside the manifest, and leaves the manifest alone", (r"1 older",)
    ),
    Attack(
        "hide_deletion", "deletes an object, and gives the manifest its old timestamp back", (r"1 older object was",)
    ),
    Attack(
        "second_archive",
        "makes a second archive in the same session",
        (r"1 archive came that the controller did not ask for",),
    ),
    Attack("break_lock", "breaks the lock, works without one, deletes an archive", (VANISHED, OBJECTS)),
    Attack("lower_nonce", "lowers the nonce, through the protocol", (r"the nonce was lowered",)),
    Attack("late_write", "ends, and deletes an archive over the connection it kept", (VANISHED, OBJECTS), more=True),
    Attack("client_before", "lets another client use the socket first, to delete an archive", (VANISHED,), more=True),
)

NOTHING_WRITTEN = (
    Attack(
        "claim_success", "does nothing, and claims success", (r"its borg claims success, but wrote no archive",), code=2
    ),
    Attack(
        "claim_unconnected", "never connects, and claims success", (r"its borg claims success, but",), code=2, more=True
    ),
    Attack(
        "claim_after_breaking_lock", "breaks the lock, and claims success", (r"its borg claims success, but",), code=2
    ),
)
REFUSED = (Attack("second_client", "lets a second client use the socket, to delete an archive", (), code=0, more=True),)
# What is only printed: how memory and screen fare is for test_hostile_text to see.
PRINTED = tuple(
    Attack(move, words, (r"its borg claims success, but wrote no archive",), code=2)
    for move, words in {
        "hostile_text": "prints escape sequences, markup, bidi controls and invalid UTF-8",
        "endless_line": "prints a line without an end",
        "flood": "prints a gigabyte of warnings",
        "wrong_json": "prints JSON of the wrong shape",
    }.items()
)
# Takes more than a minute: C waits that long for a serve to end.
LINGERING = (
    Attack(
        "lingering",
        "ends, and keeps the connection until the controller gives up",
        (r"borg serve did not end when its client had gone",),
        code=2,
        more=True,
    ),
)

# Each kind of damage, and each way to do it: what is tried with every change of the program.
CORE = frozenset(
    {
        "delete-archive",
        "overwrite-all-chunks",
        "replace-key",
        "drop-archives",
        "remove-files",
        "remove-folder",
        "point-name-elsewhere",
        "change-time",
        "hide-deletion",
        "break-lock",
        "late-write",
        "client-before",
    }
)
