"""Which ciphers are asked for first: what costs this machine least. The client's order decides.

Seen on OpenSSH 9.2 and 10.5, x86-64 with AES-NI: chacha20-poly1305, first by default everywhere, costs two to three
times the CPU of AES-GCM. Without AES in hardware it is the other way round.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

AES_FIRST = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
CHACHA_FIRST = "^chacha20-poly1305@openssh.com"
# The line of /proc/cpuinfo on x86, and on arm64.
_ABILITIES = re.compile(r"^(?:flags|Features)[ \t]*:(.*)$", re.MULTILINE)


def has_aes(cpuinfo: str) -> bool | None:
    """Tell from /proc/cpuinfo whether there is AES in hardware; None where the kernel does not say (s390, POWER)."""
    found = _ABILITIES.search(cpuinfo)
    return "aes" in found[1].split() if found else None


@functools.cache
def preferred_ciphers() -> str:
    """Return the ciphers for a connection of which the config says nothing, as in ssh_config(5)."""
    return CHACHA_FIRST if has_aes(read_cpuinfo()) is False else AES_FIRST


def read_cpuinfo() -> str:
    """Return what this kernel says of its processors, empty when it says nothing."""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
