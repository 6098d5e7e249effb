"""Real shells complete command lines of borgpull: Tab is pressed in bash and zsh, fish is asked what it would show."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

CONFIG = '[[Servers]]\nName = "web1"\n[[Servers]]\nName = "Büro 3"\n'
SHELLS = {
    "bash": ["--norc", "--noprofile", "-i"],
    "zsh": ["--no-rcs", "-i"],
}
READY = {
    "bash": "source <(borgpull completion bash); PS1='rea''dy> '",
    "zsh": "autoload -U compinit; compinit -u -D; source <(borgpull completion zsh); PROMPT='rea''dy> '",
}


def needs(shell):
    if shutil.which(shell) is None:
        assert not os.environ.get("CI"), f"there is no {shell}: scripts/setup.sh work installs it"
        pytest.skip(f"there is no {shell}")


@pytest.fixture
def folder(tmp_path):
    """A folder with a config.toml; `borgpull` is on the PATH."""
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "borgpull"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m borgpull "$@"\n')
    program.chmod(0o755)
    return tmp_path


def environment(folder):
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "HOME": str(folder), "TERM": "dumb", "LC_ALL": "C.UTF-8"}


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_commands_names_and_files(shell, folder):
    needs(shell)
    with pexpect.spawn(
        shell,
        SHELLS[shell],
        env=environment(folder),
        cwd=str(folder),
        encoding="utf-8",
        timeout=60,
        dimensions=(24, 200),
    ) as child:
        child.sendline(READY[shell])
        child.expect("ready> ")
        for typed, completed in (
            ("borgpull sta", "borgpull status "),
            ("borgpull config sch", "borgpull config schema "),
            ("borgpull status --max", "borgpull status --max-age "),
            ("borgpull status --config conf", "borgpull status --config config.toml "),
            ("borgpull status --config config.toml w", "borgpull status --config config.toml web1 "),
            ("borgpull status -c config.toml B", "borgpull status -c config.toml Büro\\ 3 "),
        ):
            child.send(typed)
            child.send("\t")
            child.expect(re.escape(completed))
            child.send("\x15")
            child.sendline("")
            child.expect("ready> ")
        child.sendline("exit")
        child.expect(pexpect.EOF)


def test_fish_shows_commands_names_and_files_with_what_they_are_for(folder):
    needs("fish")
    lines = (
        "borgpull sta",
        "borgpull status --max",
        "borgpull status --config conf",
        "borgpull status --config config.toml ",
    )
    asked = "".join(f"complete -C '{line}'; echo =; " for line in lines)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"borgpull completion fish | source; {asked}"],
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    shown = [answer.strip().splitlines() for answer in done.stdout.split("=\n")][:-1]
    assert [[line.split("\t")[0] for line in each] for each in shown] == [
        ["status"],
        ["--max-age"],
        ["config.toml"],
        ["web1", "Büro 3"],
    ]
    assert "Show the state" in shown[0][0]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_can_read(shell, folder):
    needs(shell)
    script = folder / "script"
    program = Path(environment(folder)["PATH"].split(os.pathsep)[0]) / "borgpull"
    script.write_text(subprocess.run([program, "completion", shell], capture_output=True, text=True, check=True).stdout)
    done = subprocess.run([shell, "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
