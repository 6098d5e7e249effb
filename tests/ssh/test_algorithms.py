"""A server that has no algorithm in common with us: the error has its offer, and the key in the hint opens it."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from borgpull import ssh
from borgpull.config import Connection
from borgpull.errors import Failure
from lab import Lab, Spot, lab_running

WEAK = "diffie-hellman-group14-sha1,diffie-hellman-group1-sha1"


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    """Three servers with a weak algorithm alone, and one from before servers said that they take RSA with SHA-2."""
    folder = tmp_path_factory.mktemp("old")
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    assert sshd is not None
    # It does not understand the client's question for its signature algorithms, like OpenSSH 7.1 and older.
    (folder / "sshd").write_bytes(Path(sshd).read_bytes().replace(b"ext-info-c", b"xxx-info-c"))
    (folder / "sshd").chmod(0o755)
    spots = [
        Spot(name="kex", sshd_lines=(f"KexAlgorithms {WEAK}",)),
        Spot(name="cipher", sshd_lines=("Ciphers aes256-cbc",)),
        Spot(
            name="sha1",
            sshd_lines=("PubkeyAcceptedAlgorithms ssh-rsa",),
            prefix=("sh", "-c", f'shift; exec {folder}/sshd "$@"', "sh"),
        ),
    ]
    with lab_running(Spot(name="plain"), spots) as made:
        yield made


def outcome(where: Connection, memory: Path) -> Failure | None:
    """Return why the connection failed, None when a command ran there."""

    async def connect() -> bytes:
        async with ssh.open_master(where, party="T web", directory=memory, on_output=lambda line: None) as master:
            return (await ssh.execute(master, "echo here", seconds=10)).stdout

    try:
        assert asyncio.run(connect()) == b"here\n"
    except Failure as failure:
        return failure
    finally:
        assert list(memory.iterdir()) == []
    return None


@pytest.mark.parametrize(
    ("name", "changes", "offer", "key"),
    [
        ("kex", {}, f"no matching key exchange method found. Their offer: {WEAK},", "kex_algorithms"),
        ("cipher", {}, "no matching cipher found. Their offer: aes256-cbc", "ciphers"),
        (
            "plain",
            {"host_key_algorithms": "rsa-sha2-512"},
            "no matching host key type found. Their offer: ssh-ed25519",
            "host_key_algorithms",
        ),
    ],
)
def test_the_error_has_the_offer_and_the_hint_opens_the_server(lab, memory, name, changes, offer, key):
    where = lab.host(name).connection().model_copy(update=changes)
    failure = outcome(where, memory)
    assert failure is not None
    assert failure.cause.startswith(f"it and our ssh have no algorithm in common: {offer}")
    assert not failure.transient
    hint = re.search(r'^in its connection set (\w+) = "([^"]+)"', failure.hint)
    assert hint is not None
    where = where.model_copy(update={key: hint[2]})
    assert hint[1] in where.algorithms
    assert outcome(where, memory) is None


@pytest.mark.parametrize("form", ["RFC4716", "PEM"])
def test_a_server_that_takes_rsa_keys_with_sha1_alone_is_named_as_that(lab, memory, tmp_path, form):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", form, "-N", "", "-f", key], check=True)
    host = lab.host("sha1")
    (host.directory / "authorized_keys").write_bytes(key.with_suffix(".pub").read_bytes())
    where = host.connection().model_copy(update={"private_key": SecretStr(key.read_text())})
    failure = outcome(where, memory)
    assert failure is not None
    assert failure.cause.startswith("it accepts an RSA key only with a SHA-1 signature (ssh-rsa)")
    assert 'PubkeyAcceptedAlgorithms = "+ssh-rsa"' in failure.hint
    assert "authorized_keys" not in failure.hint
    assert outcome(where.model_copy(update={"pubkey_accepted_algorithms": "+ssh-rsa"}), memory) is None
