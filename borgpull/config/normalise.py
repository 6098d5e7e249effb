"""Private keys and known_hosts as they arrive in configs, made into what ssh reads.

It never judges them: ssh's own tools do.
"""

from __future__ import annotations

import re

from .address import DEFAULT_PORT

_WITH_PORT_22 = re.compile(r"(!?)\[([^\[\]*?]+)\]:22")
_FIRST_FIELDS = re.compile(r"(\s*(?:@\S+\s+)?)(\S+)(.*)")


def private_key(text: str) -> str:
    """Return the key with LF line ends, nothing around its lines, and one final newline.

    OpenSSH fails on its own format with CRLF, leading blanks or without that newline (8.4 to 10.5).
    """
    return "\n".join(line.strip() for line in _unix(text).strip().split("\n")) + "\n"


def known_hosts(text: str, *, port: int) -> str:
    """Return the entries with LF line ends and a final newline, ready for ssh to look up a host at `port`.

    For port 22 `[h]:22` becomes `h`: the Go ancestor accepted it, ssh never matches it. Entries for other
    ports stay, so that nothing is accepted for a port that it was not meant for.
    """
    lines = _unix(text).strip().split("\n")
    return "\n".join(_without_port_22(line) if port == DEFAULT_PORT else line for line in lines) + "\n"


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _without_port_22(line: str) -> str:
    fields = _FIRST_FIELDS.fullmatch(line)
    if fields is None or fields[2].startswith(("#", "|")):
        return line
    names = (_bare(name) for name in fields[2].split(","))
    return fields[1] + ",".join(names) + fields[3]


def _bare(name: str) -> str:
    found = _WITH_PORT_22.fullmatch(name)
    return found[1] + found[2] if found else name
