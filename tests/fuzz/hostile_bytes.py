"""Bytes as a hostile T or B could send them: damaged copies of honest ones, JSON of every kind, and repetition."""

from collections.abc import Sequence

from hypothesis import strategies as st

ESCAPES = "\x1b[2J\x1b]0;owned\x07[red]x[/] \u202egnp.exe\u2028 \u009b31m\r\n"
# What breaks readers of JSON, and what breaks those who take its values for what they should be.
JSON_SCRAPS = [
    b"null",
    b"true",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-0",
    b"0.5",
    b"-7",
    b"1" + b"0" * 400,
    b"9" * 5000,
    b"18446744073709551616",
    b'""',
    b'"\\ud800"',
    b'"\\u0000\\u202e\\u001b[2J"',
    b'"\xff\xfe"',
    b'"\xc2\xb2"',
    b'"snapshot-1"',
    b'"' + b"x" * 600 + b'"',
    b"[]",
    b"{}",
    b"[" * 3000,
    b"[" * 400 + b"]" * 400,
    b'{"a":' * 2000,
    b"",
    b"\x00",
    b"'",
]


def json_texts(names: Sequence[str]) -> st.SearchStrategy[bytes]:
    """Return texts that are JSON, or nearly; their objects have keys of these `names`, some of them twice."""
    keys = st.sampled_from([b'"%b"' % name.encode() for name in names])
    return st.recursive(
        st.sampled_from(JSON_SCRAPS),
        lambda inner: (
            st.lists(inner, max_size=4).map(lambda found: b"[" + b",".join(found) + b"]")
            | st.lists(st.tuples(keys, inner).map(b":".join), max_size=6).map(
                lambda pairs: b"{" + b",".join(pairs) + b"}"
            )
        ),
        max_leaves=12,
    )


@st.composite
def damaged(draw: st.DrawFn, whole: bytes, scraps: Sequence[bytes] = ()) -> bytes:
    """Return `whole` with a few places overwritten, taken out, doubled or put elsewhere, and perhaps cut off."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 3) | st.integers(0, 600)))
        fill = st.binary(max_size=8) | st.just(bytes(data[start:end]) * 2)
        data[start:end] = draw(st.one_of(fill, st.sampled_from(scraps)) if scraps else fill)
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@st.composite
def repeated(draw: st.DrawFn, words: Sequence[bytes], size: int) -> bytes:
    """Return `size` bytes: a beginning, something over and over, an end; made of `words` and of any bytes.

    What takes a regex or a reader more steps for each byte, the more bytes there are, has this shape.
    """
    piece = st.sampled_from(words) | st.binary(min_size=1, max_size=2)
    head, end = (b"".join(draw(st.lists(piece, max_size=3))) for _ in range(2))
    pump = b"".join(draw(st.lists(piece, min_size=1, max_size=3)))
    return (head + pump * (size // len(pump)))[: size - len(end)] + end
