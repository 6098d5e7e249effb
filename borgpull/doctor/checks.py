"""The findings about one party, in their order, and the facts that its script printed, read as hostile text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .. import ssh
from ..config import Connection
from ..errors import Failure
from ..results import Finding, Mark
from ..untrusted import clean

# What a script may print of one party: a line for each source path, and a few more.
MOST_FACTS = 1024 * 1024
_LONGEST_PATH = 4096
# Goes into a script that prints a word and a value a line.
LOOK_AT_PROCESSOR = r"""
echo "processor $(grep -m 1 -E '^(flags|Features)' /proc/cpuinfo 2>/dev/null)"
"""


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


class Facts:
    """The part `facts` of an answer: lines of a word and a value each; a word may come more than once."""

    def __init__(self, answer: ssh.Answer) -> None:
        self._values: dict[str, list[str]] = {}
        for line in answer["facts"].data.decode("utf-8", "replace").split("\n"):
            word, _, value = line.partition(" ")
            self._values.setdefault(word, []).append(clean(value, longest=_LONGEST_PATH))

    def has(self, word: str) -> bool:
        return word in self._values

    def one(self, word: str) -> str:
        """Return the last value of a word, empty if it did not come."""
        return self._values.get(word, [""])[-1]

    def every(self, word: str) -> list[str]:
        return self._values.get(word, [])

    def number(self, word: str) -> int | None:
        """Return the value of a word as a number, None when it is none."""
        value = self.one(word)
        return int(value) if value.isascii() and value.isdigit() and len(value) <= 15 else None

    def chosen(self, word: str, among: tuple[str, ...]) -> list[str]:
        """Return those of `among` whose places, counted from 0, the values of a word are."""
        places = {int(value) for value in self.every(word) if value.isascii() and value.isdigit() and len(value) <= 9}
        return [each for place, each in enumerate(among) if place in places]


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
