"""Shell text from one host on every stream that a session of another host could read: none of it ever runs."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import World, loopback_world, secrets_of, watching_for
from support.reading import config_of, report, row, said_of, script

# What could end a script, a quote, a here-document or a compound command that a shell has read half of.
TEXT = """
touch {trap}.line
$(touch {trap}.dollar)
`touch {trap}.backtick`
; touch {trap}.semicolon
'; touch {trap}.quote; '
"; touch {trap}.quotes; "
EOF
}}; touch {trap}.brace; {{
); touch {trap}.bracket; (
fi; touch {trap}.fi
done; touch {trap}.done
;; esac; touch {trap}.esac
exec sh
touch {trap}.exec
exit
"""
# What the backup server's borg does where it is to serve a target. $text is the file with the text, $real borg itself.
SERVER_WAYS = {
    "at once": 'cat "$text"; exec "$real" "$@"',
    "late": 'sleep 1; cat "$text"; sleep 1; exec "$real" "$@"',
    "after the first answer": '"$real" "$@" | { head -c 20; cat "$text" -; }',
    "on standard error": 'cat "$text" >&2; exec "$real" "$@"',
    "alone": 'cat "$text"; sleep 2',
}
# What the target's borg does where it is to create. $rsh is what connects it to the backup server.
TARGET_WAYS = {
    "at once": 'cat "$text" | sh -c "$rsh"; exit 2',
    "late": '{ sleep 1; cat "$text"; sleep 1; } | sh -c "$rsh"; exit 2',
    "after the first question": (
        'printf \'#!/bin/sh\\n{ head -c 20; cat "%s" -; } | %s\\n\' "$text" "$rsh" >"$own/rsh"\n'
        'chmod 755 "$own/rsh"\n'
        'BORG_RSH=$own/rsh exec "$real" "$@"'
    ),
    "on its output": 'cat "$text"; cat "$text" >&2; exec "$real" "$@"',
}
# Before a script of ours can have begun: what the login shell of the host, a bash, reads first; and a socat that writes
# before it listens.
EARLY = ("the server's login shell", "the target's login shell", "the target's socat")
WAYS = [*(f"server, {way}" for way in SERVER_WAYS), *(f"target, {way}" for way in TARGET_WAYS), *EARLY]
QUICK = {
    ("server, at once", "stdio"),
    ("target, at once", "forward"),
    ("the target's socat", "stdio"),
    ("the server's login shell", "stdio"),
}


class Hostile:
    """A world in which a host is to write the text. `traps` is where files appear if a shell runs it."""

    def __init__(self, world: World, folder: Path, transport: str) -> None:
        self.world, self.folder = world, folder
        self.traps, self.written, self.text = folder / "traps", folder / "written", folder / "text"
        self.traps.mkdir()
        self.text.write_text(TEXT.format(trap=self.traps / "owned"))
        self.config = config_of(world, "web", Transport=transport, Streams=[{"Name": "db", "Command": "echo db"}])

    def write(self, way: str) -> None:
        """Have a host write the text in this way."""
        web, server = self.world.target("web").host, self.world.lab.server
        host, _, how = way.partition(", ")
        if way == "the target's socat":
            self._program("socat", "UNIX-LISTEN:", f'cat "$text"; exec {shutil.which("socat")} "$@"')
            # The lab's sessions have HOME in the host's folder.
            (web.directory / ".bashrc").write_text(f"PATH={self.folder}:$PATH\n")
        elif way == "the target's login shell":
            (web.directory / ".bashrc").write_text(f": >{self.written}\ncat {self.text}\ncat {self.text} >&2\n")
        elif way == "the server's login shell":
            # In the session that the target's borg is about to get there, not in those before: that would end the run.
            begun = self.folder / "begun"
            self.config["Servers"][0]["BorgPath"] = self._program("borg", " create ", f': >{begun}; exec "$real" "$@"')
            lines = f"[ -e {begun} ] || return\nrm {begun}\ncat {self.text}\ncat {self.text} >&2\n"
            (server.directory / ".bashrc").write_text(lines)
        elif host == "server":
            self.config["Borg"]["Server"]["BorgPath"] = self._program("borg", " --append-only ", SERVER_WAYS[how])
        else:
            self.config["Servers"][0]["BorgPath"] = self._program("borg", " create ", TARGET_WAYS[how])

    def _program(self, name: str, words: str, how: str) -> str:
        """Make a program that does `how` where `words` are in its arguments, and its work elsewhere."""
        start = f"text={self.text} own={self.folder} rsh=$BORG_RSH real={shutil.which(name)}\n"
        usual = f'case " $* " in *"{words}"*) : >{self.written} ;; *) exec "$real" "$@" ;; esac\n'
        return script(self.folder / name, f"{start}{usual}{how}\n")


@pytest.fixture
def hostile(request, tmp_path) -> Iterator[Hostile]:
    with loopback_world(["web"], planted=False) as world:
        (world.target("web").source / "file").write_bytes(b"x" * 1_000_000)
        yield Hostile(world, tmp_path, request.param)


def table() -> Iterator[object]:
    for way in WAYS:
        for transport in ("forward", "stdio"):
            yield pytest.param(way, transport, marks=() if (way, transport) in QUICK else pytest.mark.slow)


@pytest.mark.parametrize(("way", "hostile"), list(table()), indirect=["hostile"])
def test_none_of_it_runs_and_no_secret_is_shown(hostile, way):
    world = hostile.world
    hostile.write(way)
    with watching_for(secrets_of(world.lab)) as seen:
        done = world.run("--json", "-v", config=hostile.config)
    said = said_of(report(done)) + said_of(row(done, "web"))
    if way != "the target's socat" or hostile.config["Servers"][0]["Transport"] == "stdio":
        assert hostile.written.exists(), f"nobody wrote the text: {said}"
    assert [place.name for place in hostile.traps.iterdir()] == []
    assert "internal error" not in said
    assert seen.leaks == set()
    assert [secret for secret in secrets_of(world.lab) if secret.decode() in done.stdout + done.stderr] == []
    hosts = (world.target("web").host, world.lab.server)
    assert [place for host in hosts for place in host.temporary.iterdir()] == []


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_a_shell_that_read_it_would_run_it(tmp_path, shell):
    text = TEXT.format(trap=tmp_path / "owned").encode()
    subprocess.run(shell.split(), input=text, capture_output=True, check=False)
    assert (tmp_path / "owned.line").exists()
