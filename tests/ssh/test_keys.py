"""What ssh-keygen makes of keys and known_hosts, and that a real ssh agrees."""

import base64
import contextlib
import os
import socket
import subprocess
import textwrap
import time

import pytest

from borgpull.errors import Failure
from borgpull.ssh.keys import key_problem, known_host_problem


def make_key(path, *options, passphrase=""):
    subprocess.run(["ssh-keygen", "-q", "-N", passphrase, "-C", "", "-f", path, *options], check=True)
    return path.read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def key(folder):
    return make_key(folder / "key", "-t", "ed25519")


@pytest.fixture(scope="module")
def host_key(folder):
    make_key(folder / "host", "-t", "ed25519")
    return " ".join((folder / "host.pub").read_text().split()[:2])


@pytest.fixture(scope="module")
def other_key(folder):
    make_key(folder / "other", "-t", "ecdsa")
    return " ".join((folder / "other.pub").read_text().split()[:2])


@pytest.mark.parametrize(
    "options",
    [
        ("-t", "ed25519"),
        ("-t", "ecdsa"),
        ("-t", "rsa", "-b", "2048"),
        ("-t", "rsa", "-b", "2048", "-m", "PEM"),
        ("-t", "rsa", "-b", "2048", "-m", "PKCS8"),
    ],
)
def test_keys_without_a_passphrase_are_fine(options, tmp_path):
    key = make_key(tmp_path / "made", *options)
    assert key_problem(tmp_path, key) is None


@pytest.mark.parametrize("options", [("-t", "ed25519"), ("-t", "rsa", "-m", "PEM"), ("-t", "rsa", "-m", "PKCS8")])
def test_an_encrypted_key_is_told_from_a_broken_one(options, tmp_path):
    key = make_key(tmp_path / "made", *options, passphrase="hunter2")
    assert key_problem(tmp_path, key).startswith("is encrypted: ")


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        pytest.param(lambda key: key[:150], "cut off", id="truncated"),
        pytest.param(lambda key: key.replace("b3BlbnNz", "AAAAAAAA"), "damaged", id="garbled"),
        pytest.param(lambda key: key.replace("\n", "\\n"), "damaged", id="line ends as letters"),
        pytest.param(lambda _: "hunter2", "not a private key", id="a password"),
        pytest.param(lambda _: "", "not a private key", id="nothing"),
        pytest.param(lambda _: "PuTTY-User-Key-File-3: ssh-ed25519\n", "puttygen", id="a PuTTY key"),
    ],
)
def test_a_broken_key_says_how_it_is_broken(spoil, word, key, tmp_path):
    problem = key_problem(tmp_path, spoil(key))
    assert word in problem
    assert "hunter2" not in problem


def test_a_public_key_in_the_place_of_the_private_one(host_key, tmp_path):
    problem = key_problem(tmp_path, f"{host_key} me@here\n")
    assert problem.startswith("is a public key: paste the private one")
    assert "a backup cannot use a key in an agent" in problem


def test_a_key_of_a_hardware_token_and_why_it_cannot_be_used(tmp_path):
    def string(value: bytes) -> bytes:
        return len(value).to_bytes(4, "big") + value

    # As ssh-keygen -t ed25519-sk writes it (PROTOCOL.key, PROTOCOL.u2f): the file points to a key that stays inside.
    kind = string(b"sk-ssh-ed25519@openssh.com") + string(b"k" * 32) + string(b"ssh:")
    private = b"\0\0\0\1" * 2 + kind + b"\1" + string(b"handle") + string(b"") + string(b"comment")
    private += bytes(range(1, 1 + -len(private) % 8))
    head = b"openssh-key-v1\0" + string(b"none") * 2 + string(b"") + b"\0\0\0\1"
    lines = textwrap.wrap(base64.b64encode(head + string(kind) + string(private)).decode(), 70)
    text = "\n".join(["-----BEGIN OPENSSH PRIVATE KEY-----", *lines, "-----END OPENSSH PRIVATE KEY-----", ""])
    (problem, because) = key_problem(tmp_path, text).split("; ")
    assert problem == "is for a hardware token: make another key"
    assert "somebody has to unlock or touch" in because
    public = f"sk-ssh-ed25519@openssh.com {base64.b64encode(kind).decode()} me@here\n"
    assert key_problem(tmp_path, public).startswith("is a public key")


def test_the_file_is_private_while_it_is_looked_at_and_gone_afterwards(key, tmp_path, monkeypatch):
    tools, private = tmp_path / "tools", tmp_path / "private"
    tools.mkdir()
    private.mkdir()
    spy = tools / "ssh-keygen"
    spy.write_text(
        f'#!/bin/sh\nfor last; do :; done\nstat -c "%a %n" "$last" >{tools}/seen\ncat "$last" >&2\nexit 255\n'
    )
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    assert key_problem(private, key)
    mode, name = (tools / "seen").read_text().split()
    assert mode == "600"
    assert name.startswith(f"{private}/")
    assert not list(private.iterdir())


def test_without_ssh_keygen_the_failure_says_what_to_install(key, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure) as caught:
        key_problem(tmp_path, key)
    assert "openssh-client" in caught.value.hint
    assert caught.value.__context__ is None
    assert not list(tmp_path.iterdir())


def hashed(name, key, folder):
    path = folder / "hashed"
    path.write_text(f"{name} {key}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    return path.read_text()


@pytest.fixture(scope="module")
def sshd(folder, host_key):
    """The port of an sshd that lets nobody in: it is enough to see whether its host key is accepted."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as reserved:
        port = reserved.getsockname()[1]
    config = folder / "sshd_config"
    config.write_text(f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nPidFile none\nAuthorizedKeysFile none\n")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)  # noqa: PTH103
    with subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", config], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(port)
            yield port
        finally:
            process.terminate()


def wait_for(port):
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline
        else:
            return


def ssh_accepts(port, known_hosts):
    options = [
        *("BatchMode=yes", "StrictHostKeyChecking=yes", "GlobalKnownHostsFile=/dev/null", "ConnectTimeout=10"),
        *(f"UserKnownHostsFile={known_hosts}", "UpdateHostKeys=no", "IdentityAgent=none", "IdentitiesOnly=yes"),
    ]
    argv = ["ssh", "-F", "none", *(word for option in options for word in ("-o", option))]
    done = subprocess.run(
        [*argv, "-p", str(port), "-l", "nobody", "--", "127.0.0.1", "true"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ("Permission denied" in done.stderr) != ("Host key verification failed" in done.stderr), done.stderr
    return "Permission denied" in done.stderr


@pytest.mark.parametrize(
    ("known_hosts", "accepted"),
    [
        ("[127.0.0.1]:{port} {key}\n", True),
        ("127.0.0.1 {key}\n", True),
        ("# a comment\n\nx {other}\n[127.0.0.1]:{port} {key} and another\n", True),
        ("[127.0.0.1]:{port},[x]:22 {other}\n[127.0.0.1]:{port} {key}\n", True),
        ("* {key}", True),
        ("[*]:* {key}", True),
        ("what is this\n127.0.0.1 {key}\n", True),
        ("{hashed}", True),
        ("@revoked 127.0.0.1 {other}\n127.0.0.1 {key}\n", True),
        ("@revoked [127.0.0.1]:{port} {other}\n127.0.0.1 {key}\n", True),
        ("127.0.0.1:{port} {key}\n", False),
        ("[127.0.0.1]:22 {key}\n", False),
        ("localhost {key}\n", False),
        ("127.0.0.1,!127.0.0.1 {key}\n", False),
        ("127.0.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE\n", False),
        ("127.0.0.1\n", False),
        ("# 127.0.0.1 {key}\n", False),
        ("@revoked 127.0.0.1 {key}\n", False),
        ("@revoked * {key}\n127.0.0.1 {key}\n", False),
        ("@revoked [127.0.0.1]:{port} {key}\n127.0.0.1 {key}\n", False),
        ("", False),
    ],
)
def test_ssh_agrees(known_hosts, accepted, sshd, host_key, other_key, tmp_path):
    text = known_hosts.format(
        port=sshd, key=host_key, other=other_key, hashed=hashed(f"[127.0.0.1]:{sshd}", host_key, tmp_path)
    )
    path = tmp_path / "known_hosts"
    path.write_text(text)
    assert ssh_accepts(sshd, path) == accepted
    assert (known_host_problem("127.0.0.1", sshd, text, tmp_path) is None) == accepted


def test_the_names_that_there_are_are_told(host_key, tmp_path):
    text = f"a,b {host_key}\n[c]:2222 {host_key}\n{hashed('d', host_key, tmp_path)}@revoked e {host_key}\n"
    problem = known_host_problem("x", 22, text, tmp_path)
    assert problem.startswith("has keys for `a,b`, `[c]:2222`, a hashed name, `e`, but none for `x`: ")
    assert "ssh-keyscan x" in problem


def test_many_and_long_names_are_cut(host_key, tmp_path):
    text = "".join(f"{'n' * 200}{number} {host_key}\n" for number in range(50))
    assert len(known_host_problem("x", 2222, text, tmp_path)) < 700


def test_names_cannot_paint_the_terminal(host_key, tmp_path):
    assert known_host_problem("x", 22, f"\x1b[31mred {host_key}\n", tmp_path).isprintable()


def test_a_private_key_among_the_known_hosts_is_not_repeated(key, tmp_path):
    for text in (key, key.replace("\n", " "), f"x ssh-ed25519 {key.replace(chr(10), ' ')}"):
        problem = known_host_problem("x", 22, text, tmp_path)
        assert problem.startswith("has no valid host key: ")
        assert not [line for line in key.splitlines() if line[:12] in problem]


def test_only_revoked_keys_are_told_as_such(host_key, tmp_path):
    assert "only revoked keys" in known_host_problem("x", 22, f"@revoked x {host_key}\n", tmp_path)


def test_addresses_of_the_newer_kind(host_key, tmp_path):
    assert known_host_problem("2001:db8::1", 22, f"2001:db8::1 {host_key}\n", tmp_path) is None
    assert known_host_problem("2001:db8::1", 2222, f"[2001:db8::1]:2222 {host_key}\n", tmp_path) is None
    assert known_host_problem("2001:db8::1", 22, f"[2001:db8::1]:2222 {host_key}\n", tmp_path)
