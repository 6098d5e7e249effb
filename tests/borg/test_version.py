"""A borg's version and its greeting are read from hostile text: known, or refused in plain words."""

import subprocess

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.borg.version import QUESTION, read_greeting, read_version
from borgpull.errors import Failure
from support import borg_14
from support.place import DISTRIBUTION_BORG


@pytest.mark.parametrize("borg", [lambda: DISTRIBUTION_BORG, borg_14])
def test_a_real_borg_serve_greets_with_the_version_that_it_prints(borg):
    said = subprocess.run([borg(), "--version"], capture_output=True, text=True, check=True).stdout
    answer = subprocess.run([borg(), "serve"], input=QUESTION, capture_output=True, check=True).stdout
    greeting = read_greeting(answer)
    assert greeting.version == read_version("B", said)
    assert not greeting.preceded
    assert read_greeting(b"Welcome\n" + answer).preceded
    assert read_greeting(b"Welcome\n") is None


@pytest.mark.parametrize(
    "text",
    [
        *("borg 1.2.4", "borg 1.4.5\n", "borg 1.4.0b1", "borg 1.2.9.dev3+g123"),
        *("borg-linux64 1.2.4", "borg1.2.4-glibc236 1.4.0", "our borg, the second 1.2.4", "sauvegarde 1.4.1"),
    ],
)
def test_versions_that_work(text):
    assert read_version("T web", text) == text.split()[-1]


def test_a_real_borg_of_another_name(tmp_path):
    place = tmp_path / "borg-linux64"
    place.symlink_to(DISTRIBUTION_BORG)
    said = subprocess.run([place, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("borg-linux64 ")
    assert read_version("T web", said) == said.split()[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("borg 1.1.18", "its borg 1.1.18 is too old"),
        ("borg 2.0.0b22", "makes another kind of repository"),
        ("", "its borg does not print its version"),
        ("sh: borg: not found", "does not print its version: sh: borg: not found"),
        ("borg 1.2.4 \x1b[2J" + "x" * 1000, "does not print its version: borg 1.2.4 �[2Jxxx"),
    ],
)
def test_others_are_refused_with_the_setting_to_change(text, words):
    with pytest.raises(Failure) as refused:
        read_version("T web", text)
    assert words in refused.value.cause
    assert len(refused.value.cause) < 150
    assert refused.value.hint


ANSWERS = st.recursive(st.integers(-9, 2**40) | st.binary() | st.text(), st.lists).map(
    lambda value: b"\x82server_version" + msgpack.packb(value)
)


@given(st.binary() | ANSWERS)
def test_any_bytes_are_a_greeting_or_none(data):
    greeting = read_greeting(data)
    assert greeting is None or all(part.lstrip("-").isdigit() for part in greeting.version.split(".") if part)
