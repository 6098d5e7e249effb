import functools
import subprocess

import pytest
from sample import PASSPHRASES

from borgpull import ssh


def _made(path, *options, passphrase=""):
    subprocess.run(["ssh-keygen", "-q", "-N", passphrase, "-C", "made for tests", "-f", path, *options], check=True)
    return path.read_text()


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Real keys by the names that the config texts use."""
    folder = tmp_path_factory.mktemp("keys")
    made = {
        "B_KEY": _made(folder / "b", "-t", "ed25519"),
        "T_KEY": _made(folder / "t", "-t", "rsa", "-b", "2048", "-m", "PEM"),
        "ENCRYPTED": _made(folder / "encrypted", "-t", "ed25519", passphrase="hunter2"),
        "ENCRYPTED_PEM": _made(folder / "pem", "-t", "rsa", "-b", "2048", "-m", "PEM", passphrase="hunter2"),
    }
    _made(folder / "h", "-t", "ed25519")
    for name, options in (("t", ()), ("b", ()), ("h", ("-h",))):
        public = folder / f"{name}.pub"
        subprocess.run(["ssh-keygen", "-q", "-s", folder / "b", "-I", "x", *options, public], check=True)
    made["T_CERTIFICATE"], made["B_CERTIFICATE"], made["HOST_CERTIFICATE"] = (
        (folder / f"{name}-cert.pub").read_text().strip() for name in "tbh"
    )
    public = (folder / "b.pub").read_text()
    return made | {
        "TRUNCATED": made["B_KEY"][:200],
        "HEADLESS": made["B_KEY"].split("\n", 1)[1],
        "ONE_LINE": made["B_KEY"].replace("\n", " "),
        "PUBLIC": public,
        "HOST_KEY": " ".join(public.split()[:2]),
        "HOST_KEY_RSA": " ".join((folder / "t.pub").read_text().split()[:2]),
    }


@pytest.fixture(scope="session")
def secrets(keys):
    """Everything that no message may hold: passphrases, and each line of a private key."""
    private = ("B_KEY", "T_KEY", "ENCRYPTED", "ENCRYPTED_PEM")
    lines = [line for name in private for line in keys[name].splitlines() if not line.startswith("-")]
    public = [keys["PUBLIC"], keys["HOST_KEY_RSA"]]  # its text may stand in the private key, letter for letter
    pieces = [line[:16] for line in lines if len(line) >= 16]
    return [*PASSPHRASES, *(piece for piece in pieces if not any(piece in key for key in public))]


@pytest.fixture(scope="session")
def private(tmp_path_factory):
    """The directory in which keys are looked at."""
    return tmp_path_factory.mktemp("private")


@pytest.fixture(scope="session")
def checks(private):
    """The checks that borgpull itself hands to the config room; a value that was seen is not looked at again."""
    return {
        "check_key": functools.cache(functools.partial(ssh.key_problem, private)),
        "check_known_host": functools.cache(functools.partial(ssh.known_host_problem, directory=private)),
    }


@pytest.fixture
def hashed(keys, tmp_path_factory):
    """Return a function that makes a known_hosts entry with the name hashed, as `ssh-keyscan -H` does."""

    def make(name):
        path = tmp_path_factory.mktemp("hashed") / "known_hosts"
        path.write_text(f"{name} {keys['HOST_KEY']}\n")
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
        return path.read_text().strip()

    return make
