"""A login shell whose own file talks, or reads what was meant for us: who is at fault is said, and nothing is shown."""

from collections.abc import Iterator

import pytest

from support import World, loopback_world, secrets_of, watching_for
from support.reading import config_of, report, row, said_of
from support.shells import needs_shells, spot_with_shell

# Where a shell looks for what it does first, and how it reads a line of its input.
FILES = {
    "bash": (".bashrc", "read x"),
    "zsh": (".zshenv", "read x"),
    "fish": (".config/fish/config.fish", "read x"),
    "tcsh": (".tcshrc", "set x = $<"),
    "csh": (".cshrc", "set x = $<"),
}
TALKS = {True: "echo Welcome; printf 'no line end'; sh -c 'echo Beware >&2'", False: "sh -c 'echo Beware >&2'"}
# Words of our scripts, which an echo of what a session reads would show.
OURS = ("umask 077", "mktemp", "set +aefmuvxC", "borgpull_secret", "unset TMOUT")
SIDES = ("web", "B")


@pytest.fixture
def hosts(request, tmp_path) -> Iterator[World]:
    shell = request.param
    needs_shells(shell)
    target, server = (spot_with_shell(name, tmp_path / name, shell) for name in SIDES)
    with loopback_world([target], server=server, planted=False) as world:
        (world.target("web").source / "file").touch()
        yield world


def read_first(world: World, name: str, shell: str, text: str) -> None:
    """Have the login shell of a host do `text` before anything else."""
    file = world.lab.host(name).directory / FILES[shell][0]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n")


def shown(world: World, said: str) -> list[str]:
    """Return what a run says and must not: secrets, and words of our scripts."""
    return [word for word in (*(each.decode() for each in secrets_of(world.lab)), *OURS) if word in said]


def left(world: World) -> list[str]:
    return [str(place) for name in SIDES for place in world.lab.host(name).temporary.iterdir()]


def of_shells(*quick: str) -> list[object]:
    return [pytest.param(shell, shell, marks=() if shell in quick else pytest.mark.slow, id=shell) for shell in FILES]


@pytest.mark.parametrize(("shell", "hosts"), of_shells("tcsh"), indirect=["hosts"])
def test_what_it_prints_disturbs_nobody(hosts, shell):
    read_first(hosts, "web", shell, TALKS[True])
    # What borg serve says first cannot be told from what a shell prints there.
    read_first(hosts, "B", shell, TALKS[False])
    config = config_of(hosts, "web", Streams=[{"Name": "db", "Command": "echo db"}], Before=["echo before"])
    done = hosts.run("--json", "-v", config=config)
    told = row(done, "web")
    assert done.returncode == 0, said_of(report(done)) + said_of(told)
    assert told["commands"][0]["output"] == ["before"]
    assert shown(hosts, done.stdout + done.stderr) == []
    assert left(hosts) == []


# The script is sent in lines, and a shell that misses the first one could run the others one by one: then which line it
# takes for the passphrase depends on how long they are together.
LENGTHS = [
    pytest.param(excludes, shell, shell, id=f"{shell}-{excludes}", marks=marks)
    for shell, excludes, marks in [
        ("bash", 30, ()),
        *(("bash", number, pytest.mark.slow) for number in range(0, 90, 10) if number != 30),
        *((shell, 30, pytest.mark.slow) for shell in FILES if shell != "bash"),
    ]
]


@pytest.mark.parametrize(("excludes", "shell", "hosts"), LENGTHS, indirect=["hosts"])
def test_a_line_that_it_reads_is_missed_by_nobody_or_said(hosts, shell, excludes):
    read_first(hosts, "web", shell, FILES[shell][1])
    long = [f"{number:03}{'x' * 97}" for number in range(excludes)]
    config = config_of(hosts, "web", Timeout="90s", Excludes=long, Streams=[{"Name": "db", "Command": "echo db"}])
    done = hosts.run("--json", "-v", config=config)
    if done.returncode != 0:
        (error,) = row(done, "web")["errors"]
        assert error["party"] == "T web"
        assert "shell" in error["cause"]
        assert "passphrase" not in error["cause"]
    assert shown(hosts, done.stdout + done.stderr) == []
    assert left(hosts) == []


# Such a session is kept for as long as a host may take to answer.
@pytest.mark.slow
@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("reads", ["a line", "cat", "cat >/dev/null"])
@pytest.mark.parametrize(("shell", "hosts"), of_shells(), indirect=["hosts"])
def test_what_it_reads_is_not_shown_and_the_host_is_named(hosts, shell, reads, name):
    read_first(hosts, name, shell, FILES[shell][1] if reads == "a line" else reads)
    with watching_for(secrets_of(hosts.lab)) as seen:
        done = hosts.run("--json", "-v", config=config_of(hosts, "web", Timeout="3m"), seconds=400)
    errors = [*report(done)["errors"], *row(done, "web")["errors"]]
    if reads == "a line" and done.returncode == 0:
        assert errors == []
    else:
        assert done.returncode == 2, done.stderr
        assert [each["party"] for each in errors] == ["T web" if name == "web" else "B"]
        assert "internal error" not in errors[0]["cause"]
    assert seen.leaks == set()
    assert shown(hosts, done.stdout + done.stderr) == []
    assert left(hosts) == []


# It stands in for `sh`: what it is given to read it prints, as a shell does that cannot parse it.
ECHOING = """#!/bin/dash
while IFS= read -r line; do echo "sh: $line: not found"; echo "sh: $line: not found" >&2; done
exit 127
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize(("shell", "hosts"), [pytest.param("bash", "bash", id="bash")], indirect=["hosts"])
def test_a_sh_that_is_none_gets_no_secret(hosts, shell, name, tmp_path):
    sh = tmp_path / "bin" / "sh"
    sh.parent.mkdir()
    sh.write_text(ECHOING)
    sh.chmod(0o755)
    read_first(hosts, name, shell, f"PATH={sh.parent}:$PATH")
    with watching_for(secrets_of(hosts.lab)) as seen:
        done = hosts.run("--json", "-v", config=config_of(hosts, "web", Timeout="3m"), seconds=400)
    errors = [*report(done)["errors"], *row(done, "web")["errors"]]
    assert done.returncode == 2, done.stderr
    assert [each["party"] for each in errors] == ["T web" if name == "web" else "B"]
    assert seen.leaks == set()
    secrets = [each.decode() for each in secrets_of(hosts.lab)]
    assert [secret for secret in secrets if secret in done.stdout + done.stderr] == []
    assert left(hosts) == []
