"""What a half-typed line can become; that the shells show it is shown in test_shells.py."""

import os

import pytest

from borgpull.cli.app import BorgPull
from borgpull.cli.completion import answer
from borgpull.cli.help import Page

CONFIG = """
[borg]
[[SERVERS]]
NAME = "web1"
[[SERVERS]]
name = "Büro 3"
[[SERVERS]]
Name = "\\u001b[2Jevil"
"""


@pytest.fixture(scope="module")
def whole():
    return Page(BorgPull, "borgpull")


@pytest.fixture
def complete(whole):
    def complete(*words):
        kind, *lines = answer(whole, ["borgpull", *words])
        assert all(line.count("\t") == 1 for line in lines)
        return kind if kind != ":words" else [line.partition("\t")[0] for line in lines]

    return complete


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "my config.toml"
    file.write_text(CONFIG)
    return file


def test_every_command_and_every_option_of_it_can_be_typed(whole, complete):
    def walk(page, words):
        names = list(page.commands)
        assert complete(*words, "") == names or not names
        found = complete(*words, "-")
        assert {name for option in page.options for name in option.names} <= set(found)
        for each in names:
            assert complete(*words, each) == [name for name in names if name.startswith(each)]
            walk(page.inner(each), [*words, each])

    walk(whole, [])


def test_a_beginning_narrows_it(complete):
    assert complete("sta") == ["status"]
    assert complete("config", "ch") == ["check"]
    assert complete("status", "--max") == ["--max-age"]
    assert complete("nonsense", "") == []


def test_without_a_command_the_options_are_those_of_a_run(complete):
    assert "--events" in complete("--")
    assert complete("--events", "") == ":files"
    assert "--events" in complete("-q", "--e")


def test_values(complete):
    assert complete("status", "-c", "") == ":files"
    assert complete("status", "--config", "x") == ":files"
    assert complete("status", "--cache-dir", "") == ":directories"
    assert complete("status", "--max-age", "") == []
    assert complete("completion", "") == ["bash", "zsh", "fish"]


def test_names_of_targets_in_a_plain_config(complete, config):
    assert complete("status", "--config", str(config), "") == ["web1", "Büro 3"]
    assert complete("status", "--config", str(config), "web1", "") == ["Büro 3"]
    assert complete("status", "-c", str(config), "--json", "B") == ["Büro 3"]
    assert complete("rollback", "-c", str(config), "w") == ["web1"]
    assert complete("rollback", "-c", str(config), "web1", "") == []
    assert complete("run", "-c", str(config), "--only", "") == ["web1", "Büro 3"]


def test_a_new_name_is_nobodys(complete, config):
    assert complete("config", "add", "-c", str(config), "") == []


def test_home_folders_are_found(complete, config, monkeypatch):
    monkeypatch.setenv("HOME", str(config.parent))
    assert complete("status", "-c", "~/my config.toml", "w") == ["web1"]


def test_what_is_not_a_plain_config_is_left_alone(complete, tmp_path):
    (tmp_path / "broken").write_text("[[Servers]\n")
    (tmp_path / "strange").write_text("Servers = 1\n")
    (tmp_path / "binary").write_bytes(b"age-encryption.org/v1\n\xff\xfe")
    os.mkfifo(tmp_path / "pipe")
    for name in ("broken", "strange", "binary", "pipe", "missing", "."):
        assert complete("status", "--config", str(tmp_path / name), "") == []
    proof = tmp_path / "proof"
    assert complete("status", "--config", f"<(touch {proof})", "") == []
    assert complete("status", "--config", f"$(touch {proof})", "") == []
    assert not proof.exists()
