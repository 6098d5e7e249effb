"""The findings about one party, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .. import ssh
from ..config import Connection
from ..errors import Failure
from ..results import Finding, Mark
from ..transport import Facts


class Checks:
    """What was found about `party`; a row that nothing was said of stays unseen."""

    def __init__(self, party: str, rows: tuple[str, ...]) -> None:
        self.party = party
        self._found = {row: Finding(party=party, what=row, mark=Mark.UNSEEN) for row in rows}

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._found.values())

    def ok(self, what: str, detail: str = "") -> None:
        """Say that it is as it should be."""
        self._put(what, Mark.OK, detail)

    def note(self, what: str, detail: str, hint: str = "") -> None:
        """Say something that stops nothing, or that it cannot be told."""
        self._put(what, Mark.NOTE, detail, hint)

    def warn(self, what: str, detail: str, hint: str = "") -> None:
        """Say something that an operator should mend, though a backup would go."""
        self._put(what, Mark.WARNING, detail, hint)

    def cross(self, what: str, failure: Failure) -> None:
        """Say what would stop a backup."""
        who = "" if failure.party == self.party else f"{failure.party}: "
        self._put(what, Mark.FAILED, f"{who}{failure.cause}", failure.hint)

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Take a Failure that is raised for a finding about `what`."""
        try:
            yield
        except Failure as failure:
            self.cross(what, failure)

    def _put(self, what: str, mark: Mark, detail: str, hint: str = "") -> None:
        self._found[what] = Finding(party=self.party, what=what, mark=mark, detail=detail, hint=hint)


def judge_cipher(checks: Checks, facts: Facts, connection: Connection) -> None:
    """Note beside the connection that another cipher would cost its far end less, if the script said so."""
    if connection.ciphers or ssh.preferred_ciphers() == ssh.CHACHA_FIRST:
        return
    if ssh.has_aes(facts.one("processor")) is False:
        checks.note(
            "connect",
            "it has no AES in hardware: chacha20-poly1305 would cost it less than AES-GCM",
            f'in its connection set Ciphers = "{ssh.CHACHA_FIRST}"',
        )
