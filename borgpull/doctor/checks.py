"""The checks of one party, in the order in which they are printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from .. import ssh
from ..config import Connection
from ..errors import Failure
from ..results import Finding, Mark
from ..transport import Facts

_SOCAT = re.compile(r"socat version ([0-9][0-9A-Za-z.]{0,20})", re.ASCII)


class Checks:
    """The result of each check of `party`; a row without a result stays "unseen"."""

    def __init__(self, party: str, rows: tuple[str, ...]) -> None:
        self.party = party
        self._found = {row: Finding(party=party, what=row, mark=Mark.UNSEEN) for row in rows}

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._found.values())

    def ok(self, row: str, detail: str = "") -> None:
        self._set(row, Mark.OK, detail)

    def note(self, row: str, detail: str, hint: str = "") -> None:
        """Report what stops nothing, or could not be checked."""
        self._set(row, Mark.NOTE, detail, hint)

    def warn(self, row: str, detail: str, hint: str = "") -> None:
        """Report what an operator should fix, though a backup would run."""
        self._set(row, Mark.WARNING, detail, hint)

    def fail(self, row: str, cause: str, hint: str) -> None:
        """Report what would stop a backup."""
        self._set(row, Mark.FAILED, cause, hint)

    def fail_with(self, row: str, failure: Failure) -> None:
        other = "" if failure.party == self.party else f"{failure.party}: "
        self.fail(row, f"{other}{failure.cause}", failure.hint)

    @contextmanager
    def catching(self, row: str) -> Iterator[None]:
        """Report a Failure that is raised in the context as a failed check."""
        try:
            yield
        except Failure as failure:
            self.fail_with(row, failure)

    def _set(self, row: str, mark: Mark, detail: str, hint: str = "") -> None:
        self._found[row] = Finding(party=self.party, what=row, mark=mark, detail=detail, hint=hint)


def socat_version(text: str) -> str:
    """Return the version in the output of `socat -V`, "" when it has none."""
    found = _SOCAT.search(text)
    return found[1] if found else ""


def check_cipher(checks: Checks, facts: Facts, connection: Connection) -> None:
    """Note beside the connection that the other host would encrypt faster with another cipher."""
    if connection.ciphers or ssh.preferred_ciphers() == ssh.CHACHA_FIRST:
        return
    if ssh.has_aes(facts.one("processor")) is False:
        checks.note(
            "connect",
            "it has no AES in hardware: chacha20-poly1305 would cost it less than AES-GCM",
            f'in its connection set Ciphers = "{ssh.CHACHA_FIRST}"',
        )
