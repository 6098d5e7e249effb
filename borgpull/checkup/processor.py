"""Whether the cipher of a connection suits the processor at its other end, where all of a backup is enciphered."""

from __future__ import annotations

from .. import ssh
from ..config import Connection
from .sheet import Facts, Sheet

# Goes into a script that prints a word and a value a line.
LOOK_AT_PROCESSOR = r"""
echo "processor $(grep -m 1 -E '^(flags|Features)' /proc/cpuinfo 2>/dev/null)"
"""


def judge_cipher(sheet: Sheet, facts: Facts, connection: Connection) -> None:
    """Note beside the connection that another cipher would cost its far end less, if the script said so."""
    if connection.ciphers or ssh.preferred_ciphers() == ssh.CHACHA_FIRST:
        return
    if ssh.has_aes(facts.one("processor")) is False:
        sheet.note(
            "connect",
            "it has no AES in hardware: chacha20-poly1305 would cost it less than AES-GCM",
            f'in its connection set Ciphers = "{ssh.CHACHA_FIRST}"',
        )
