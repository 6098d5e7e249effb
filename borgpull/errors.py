"""Errors, named after the party that failed. They say what happened and what to do, and never hold a secret.

This is the lowest room: it imports nothing of ours.
"""

from __future__ import annotations


class Failure(Exception):
    """Something failed, and `party` is who failed: "C", "B", "T web1", "config".

    `cause` is one line in the operator's terms; `hint` is the next command to type or the line to change.
    `detail` is what the failing program printed and nobody has been told yet, for `-v`.
    `transient` says that the same attempt may succeed soon without anybody's help.
    """

    def __init__(self, party: str, cause: str, *, hint: str, detail: str = "", transient: bool = False) -> None:
        super().__init__(f"{party}: {cause}")
        self.party = party
        self.cause = cause
        self.hint = hint
        self.detail = detail
        self.transient = transient


class NoSpace(Failure):
    """The backup server has no room; `limit` is what is used up: its "disk", a "quota", or the "share" of a session."""

    def __init__(self, cause: str, *, hint: str, limit: str) -> None:
        super().__init__(BACKUP_SERVER, cause, hint=hint)
        self.limit = limit


class ConfigError(Failure):
    """The config is wrong. `problems` are all of them, each naming its place and what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("config", "; ".join(problems), hint="mend these places, then run it again")
        self.problems = problems


class UsageError(Failure):
    """The command line is wrong."""

    def __init__(self, cause: str, *, hint: str = "see `borgpull --help`") -> None:
        super().__init__("command line", cause, hint=hint)


class TamperedError(Failure):
    """A repository is not what an honest session leaves behind, or it cannot be told. `rules` are in words."""

    def __init__(
        self, party: str, cause: str, *, rules: tuple[str, ...], hint: str, unverifiable: bool = False
    ) -> None:
        super().__init__(party, cause, hint=hint)
        self.rules = rules
        self.unverifiable = unverifiable


CONTROLLER = "C"
BACKUP_SERVER = "B"


def target_party(name: str) -> str:
    """Return the party name of the target `name`, as messages spell it."""
    return f"T {name}"
