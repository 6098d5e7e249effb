"""A user certificate, at a server that trusts only a CA: what opens it, and what each refusal says."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgpull import ssh
from borgpull.config import Connection
from borgpull.ssh.keys import certificate_problem
from lab import Lab, Spot, lab_running
from support.connecting import failure_to


def keygen(*arguments: object) -> None:
    subprocess.run(["ssh-keygen", "-q", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Path:
    """The folder of a CA, `ca`, and of another one, `stranger`."""
    folder = tmp_path_factory.mktemp("authority")
    for name in ("ca", "stranger"):
        keygen("-t", "ed25519", "-N", "", "-f", folder / name)
    return folder


@pytest.fixture(scope="module")
def lab(authority) -> Iterator[Lab]:
    lines = (f"TrustedUserCAKeys {authority}/ca.pub", "AuthorizedKeysFile none")
    with lab_running(Spot(name="plain", sshd_lines=lines), []) as made:
        yield made


def certificate(lab: Lab, authority: Path, *options: str, ca: str = "ca", principal: str = "") -> str:
    """Have a CA sign the public key that opens the lab's server."""
    public = authority / "user.pub"
    public.write_text(lab.server.key.public + "\n")
    keygen("-s", authority / ca, "-I", "made for tests", "-n", principal or lab.server.user, *options, public)
    return (authority / "user-cert.pub").read_text()


def with_certificate(lab: Lab, text: str) -> Connection:
    return lab.server.connection().model_copy(update={"certificate": text.strip()})


def test_it_opens_the_server_and_is_gone_with_its_key_once_it_is_up(lab, authority, memory):
    where = with_certificate(lab, certificate(lab, authority, "-V", "-1m:+1h"))

    async def look() -> tuple[bytes, list[str]]:
        async with ssh.open_master(where, party="T web", directory=memory, on_output=lambda line: None) as master:
            files = sorted(place.name for place in memory.rglob("*") if not place.is_dir())
            return (await ssh.execute(master, "echo here", seconds=10)).stdout, files

    assert asyncio.run(look()) == (b"here\n", ["ctl"])
    assert list(memory.iterdir()) == []
    assert "ED25519-CERT" in (lab.server.directory / "sshd.log").read_text()


def test_a_missing_one_is_named_in_the_hint(lab, memory):
    failure = failure_to(lab.server.connection(), memory)
    assert failure.cause == "it refused the key"
    assert "if its sshd trusts only a CA, set Certificate" in failure.hint


@pytest.mark.parametrize("wrong", [{"ca": "stranger"}, {"principal": "somebody"}])
def test_a_refused_one_is_named(lab, authority, memory, wrong):
    failure = failure_to(with_certificate(lab, certificate(lab, authority, **wrong)), memory)
    assert failure.cause == "it refused the key and its certificate"
    assert "TrustedUserCAKeys" in failure.hint
    assert "principals" in failure.hint
    assert "authorized_keys" not in failure.hint


@pytest.mark.parametrize(
    ("validity", "words"),
    [
        ("20200101:20200102", "its Certificate expired at 2020-01-02T00:00:00 UTC"),
        ("always:20200102", "its Certificate expired at 2020-01-02T00:00:00 UTC"),
        ("20400101:20400102", "its Certificate is not valid before 2040-01-01T00:00:00 UTC"),
        ("20400101:forever", "its Certificate is not valid before 2040-01-01T00:00:00 UTC"),
    ],
)
def test_one_out_of_its_time_is_named_before_anything_is_asked(lab, authority, memory, monkeypatch, validity, words):
    monkeypatch.setenv("TZ", "UTC")
    where = with_certificate(lab, certificate(lab, authority, "-V", validity))
    log = lab.server.directory / "sshd.log"
    before = log.read_text().count("Connection")
    failure = failure_to(where, memory)
    assert failure.cause == words
    assert failure.hint
    assert log.read_text().count("Connection") == before


@pytest.mark.parametrize("validity", ["always:forever", "20200101:forever", "always:20400101", "-1d:+1d"])
def test_one_within_its_time_is_fine_and_so_it_is_on_a_controller_of_another_zone(
    lab, authority, memory, monkeypatch, validity
):
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    text = certificate(lab, authority, "-V", validity)
    assert certificate_problem(memory, lab.server.key.private, text, dated=True) == ()
    monkeypatch.undo()
    time.tzset()
