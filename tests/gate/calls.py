"""What borg clients say, as Borg packs it; and a session to say it to."""

import msgpack

from borgpull.gate.messages import Message, Reader, Refused
from borgpull.gate.session import MANIFEST, Session

PATH = "/srv/backups/web"
OLD, NEW = b"\x01" * 32, b"\x02" * 32
VERSION = {b"client_version": (1, 2, 4, -1)}
OPEN = {
    "path": b"/" + PATH.encode(),
    "create": False,
    "lock_wait": 60,
    "lock": True,
    "exclusive": True,
    "append_only": False,
    "make_parent_dirs": False,
}


def packed(value: object) -> bytes:
    return msgpack.packb(value, use_bin_type=False)


def call(method: str, number: int = 7, **arguments: object) -> bytes:
    """Return a call as clients since 1.1 pack it once they have negotiated."""
    return packed({b"i": number, b"m": method, b"a": arguments})


def negotiate(client_data: object = VERSION) -> bytes:
    return packed((1, 1, "negotiate", [client_data]))


def messages(data: bytes) -> list[Message]:
    return list(Reader().read(data))


def told(session: Session, data: bytes) -> list[object]:
    """Say it to the session; return what B is told."""
    return [msgpack.unpackb(session.check(message), raw=True) for message in messages(data)]


def opened(**changes: object) -> Session:
    """Return a session that has opened the repository, in which the object OLD lies."""
    session = Session(PATH)
    told(session, negotiate() + call("open", **OPEN | changes))
    session.begin({OLD, MANIFEST})
    return session


def refused(session: Session, data: bytes) -> str:
    """Say what must be refused; return the words of the refusal."""
    try:
        found = told(session, data)
    except Refused as refusal:
        return str(refusal)
    raise AssertionError(f"B was told {found}")
