"""A command on the controller that prints a short-lived key and its certificate, signed by a CA of the test's own."""

import asyncio
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from borgpull import ssh
from borgpull.config import Connection, Host, Jump
from borgpull.errors import CONTROLLER
from borgpull.ssh import connect
from lab import Lab, Spot, lab_running, processes
from support import ROOT
from support.connecting import failure_of
from support.reading import script

PAGE = (ROOT / "docs" / "secrets.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Path:
    """The folder of a CA, `ca`; `vault` there signs a key as `vault write` does, with the arguments of the page."""
    folder = tmp_path_factory.mktemp("authority")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "ca"], check=True)
    script(
        folder / "vault",
        f"""
        test "$1 $2 $3 $4" = "write -field=signed_key ssh-client-signer/sign/backup ttl=15m" || exit 2
        cd {folder}
        cp "${{6#public_key=@}}" signed.pub
        ssh-keygen -q -s ca -I test -V "${{VALIDITY:--1m:+15m}}" -n "${{5#valid_principals=}}" signed.pub
        cat signed-cert.pub
        """,
    )
    return folder


@pytest.fixture(scope="module")
def lab(authority) -> Iterator[Lab]:
    """Two hosts that trust only the CA."""
    lines = (f"TrustedUserCAKeys {authority}/ca.pub", "AuthorizedKeysFile none")
    with lab_running(Spot(name="plain", sshd_lines=lines), [Spot(name="jump", sshd_lines=lines)]) as made:
        yield made


@pytest.fixture
def recipe(authority, tmp_path) -> Path:
    """The script of the page, to find our vault."""
    (text,) = re.findall(r"^```sh\n(#!/bin/sh\n.+?)^```", PAGE, re.MULTILINE | re.DOTALL)
    path = tmp_path / "borgpull-key"
    path.write_text(text.replace("set -eu\n", f"set -eu\nPATH={authority}:$PATH\n", 1))
    path.chmod(0o755)
    return path


def with_command(lab: Lab, command: str) -> Connection:
    changes = {"private_key": SecretStr(""), "private_key_command": command}
    return lab.server.connection().model_copy(update=changes)


def answer(where: Connection, memory: Path) -> tuple[bytes, set[str]]:
    """Return what a command there printed, and the names of the files of the connections."""

    async def ask() -> tuple[bytes, set[str]]:
        async with ssh.open_master(where, party="target web", directory=memory, on_output=lambda line: None) as master:
            files = {place.name for place in memory.rglob("*") if not place.is_dir()}
            return (await ssh.execute(master, "echo here", seconds=10)).stdout, files

    return asyncio.run(ask())


def test_the_recipe_opens_a_host_and_its_jump_host_and_leaves_nothing(lab, recipe, memory):
    left = set(Path("/dev/shm").glob("key.*"))
    hop = lab.targets[0].host
    jump = Jump.model_construct(host=Host("127.0.0.1", hop.port), known_host=hop.known_host + "\n")
    where = with_command(lab, f"{recipe} {lab.server.user}")
    assert answer(where, memory) == (b"here\n", {"ctl"})
    assert answer(where.model_copy(update={"listed_jumps": (jump,)}), memory) == (b"here\n", {"ctl"})
    assert list(memory.iterdir()) == []
    assert set(Path("/dev/shm").glob("key.*")) == left
    for host in (lab.server, hop):
        assert "ED25519-CERT" in (host.directory / "sshd.log").read_text()


def test_it_runs_anew_for_each_connection_and_may_print_a_key_alone(lab, memory, tmp_path):
    keys = [tmp_path / name for name in ("first", "second")]
    for key in keys:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    where = with_command(lab, f"echo run >>{tmp_path}/runs; cat {keys[0]}")
    for runs in (1, 2):
        assert failure_of(where, memory, party="target web").cause == "it refused the key"
        assert (tmp_path / "runs").read_text() == "run\n" * runs


def test_a_certificate_that_it_prints_is_judged(lab, recipe, memory, tmp_path):
    expired = failure_of(
        with_command(lab, f"VALIDITY=20200101:20200102 {recipe} {lab.server.user}"), memory, party="target web"
    )
    assert (expired.party, expired.cause[:26]) == ("target web", "its Certificate expired at")
    refused = failure_of(with_command(lab, f"{recipe} somebody"), memory, party="target web")
    assert refused.cause == "it refused the key and its certificate"
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    command = f"cat {other}; {recipe} {lab.server.user} | tail -n 1"
    assert "is for another private key" in failure_of(with_command(lab, command), memory, party="target web").cause


@pytest.mark.parametrize(
    ("command", "words", "transient"),
    [
        ("echo first >&2; echo 'permission denied by vault' >&2; exit 3", "exit 3: permission denied by vault", True),
        ("kill -9 $$", "it was killed by signal 9", True),
        ("true", "it has to print a private key", False),
        ("echo hunter2", "it has to print a private key", False),
        ("yes hunter2 | head -c 5000000", "it has to print a private key", False),
        ("cat {key}; echo hunter2", "it has to print a private key", False),
        ("cat {key}.pub", "it has to print a private key", False),
        ("cat {key}; exit 1", "exit 1", True),
        ("cat {encrypted}", "is encrypted", False),
        ("sed 3d {key}", "is damaged", False),
    ],
)
def test_what_it_did_wrong_is_said_and_nothing_of_what_it_printed(lab, memory, tmp_path, command, words, transient):
    key, encrypted = tmp_path / "key", tmp_path / "encrypted"
    for path, passphrase in ((key, ""), (encrypted, "hunter2")):
        options = ("-t", "rsa", "-b", "2048", "-N", passphrase)
        subprocess.run(["ssh-keygen", "-q", *options, "-f", path], check=True)
    failure = failure_of(with_command(lab, command.format(key=key, encrypted=encrypted)), memory, party="target web")
    assert failure.party == CONTROLLER
    assert failure.cause.startswith("the PrivateKeyCommand of target web: ")
    assert words in failure.cause
    assert failure.hint
    assert failure.transient is transient
    said = f"{failure.cause} {failure.hint} {failure.detail}"
    assert not [word for word in ("hunter2", *key.read_text().split()[4:]) if word in said]


def test_one_that_does_not_end_is_ended_with_all_that_it_started(lab, memory, monkeypatch, tmp_path):
    monkeypatch.setattr(connect, "_KEY_SECONDS", 1)
    mark = f"sleep 97{tmp_path.stat().st_ino}"
    failure = failure_of(with_command(lab, f"{mark} | {mark}"), memory, party="target web")
    assert failure.cause.endswith("it did not end within 1 s")
    assert processes.mentioning("\0".join(shlex.split(mark))) == []
