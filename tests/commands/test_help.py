"""`borgpull --help` answers at once: it loads no command, and none of the libraries that take their time."""

import subprocess
import sys

import pytest

SLOW = {"pydantic", "rich", "tomlkit", "msgpack", "asyncio"}
ASK = """\
import contextlib, sys
from borgpull.__main__ import main
with contextlib.suppress(SystemExit):
    main()
print("loaded:", *sys.modules)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
    ],
)
def test_help_loads_nothing_that_is_slow(arguments):
    argv = [sys.executable, "-c", ASK, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    said, _, loaded = done.stdout.rpartition("loaded:")
    assert "borgpull" in said
    assert "plumbum" in loaded.split()
    assert SLOW & set(loaded.split()) == set()
    assert "borgpull.cli.run" not in loaded.split()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], "3 a repository was tampered with"),
        (["doctor"], "2 something would stop it"),
        (["status"], "3 UNKNOWN: a target was never backed up"),
    ],
)
def test_help_tells_the_exit_codes(command, words):
    argv = [sys.executable, "-m", "borgpull", *command, "--help"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert words in " ".join(done.stdout.split())


def test_help_shows_the_command_line_as_it_is_typed():
    argv = [sys.executable, "-m", "borgpull", "status", "--help"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert said.startswith("Usage: borgpull status [OPTION]... [NAME]...\n")
    assert "\n  -c, --config FILE  " in said
    assert ":str" not in said
    assert said.count("--help") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["statsu"], "hint: did you mean `borgpull status`?"),
        (["config"], "needs one of its commands: example, check"),
        (["config", "chekc"], "hint: did you mean `borgpull config check`?"),
        (["status", "--nonsense"], "there is no option --nonsense\nhint: see `borgpull status --help`"),
        (["key"], "`borgpull key [OPTION]... NAME`"),
        (["-q", "-v"], "-v does not go with -q"),
    ],
)
def test_what_is_wrong_with_a_command_line_is_told_in_its_own_terms(arguments, words):
    argv = [sys.executable, "-m", "borgpull", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert words in done.stderr
    assert (done.returncode, done.stdout) == (4, "")


@pytest.mark.parametrize("arguments", [["--nonsense"], ["nonsense"], ["run", "extra"], ["--quiet", "--verbose"]])
def test_a_wrong_command_line_is_told_on_stderr_and_exits_with_4(arguments):
    argv = [sys.executable, "-m", "borgpull", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 4
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["my config.toml"], ["run", "my config.toml"]])
def test_a_config_that_is_named_as_a_word_gets_the_line_that_was_meant(words, tmp_path):
    argv = [sys.executable, "-m", "borgpull", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 4
    command = " ".join(["borgpull", *words[:-1]])
    assert f"hint: did you mean `{command} < 'my config.toml'`?" in done.stderr
