"""Text of other machines: whatever they say, it is one short line that moves no cursor."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.untrusted import LONGEST, clean

HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.one_of(st.text(max_size=2000), st.binary(max_size=4000)), st.integers(1, LONGEST))
def test_it_becomes_one_short_printable_line(said, longest):
    shown = clean(said, longest=longest)
    assert len(shown) <= longest
    assert not [letter for letter in shown if unicodedata.category(letter) in HARMFUL]
    shown.encode()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain words", "plain words"),
        ("naïve 日本語 🐢", "naïve 日本語 🐢"),
        ("one\r\ntwo\tthree\n", "one  two three"),
        ("\x1b[2J\x1b]0;title\x07gone", "�[2J�]0;title�gone"),
        ("evil\u202etxt.exe", "evil�txt.exe"),
        ("nul\0byte", "nul�byte"),
        ("\udce9", "�"),
        (b"caf\xe9", "caf�"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
    ],
)
def test_what_is_harmless_stays_and_what_is_not_is_seen(said, shown):
    assert clean(said) == shown


def test_what_is_cut_says_so():
    assert clean("x" * 600) == "x" * 499 + "…"
    assert clean(b"y" * 10_000_000, longest=10) == "yyyyyyyyy…"
    assert clean("z" * 500) == "z" * 500
