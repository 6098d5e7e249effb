"""The units of docs/systemd: systemd takes them, finds little that they may do, and their command backs up."""

import configparser
import ctypes
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from borgpull import runtime_dir
from support import ROOT, World, found_on_disk, secrets_of

UNITS = ROOT / "docs" / "systemd"
# What `systemd-analyze security` calls 1.4; from 2.0 on it would mean that something was given away.
MOST_EXPOSED = 15
CREDENTIAL = "borgpull"
# PR_SET_MDWE, which MemoryDenyWriteExecute= uses from Linux 6.3 on: no memory that was written becomes executable.
DENY_WRITE_EXECUTE = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)


def analyze(*arguments: str, folder: Path) -> subprocess.CompletedProcess:
    if shutil.which("systemd-analyze") is None:
        assert not os.environ.get("CI"), "there is no systemd-analyze: scripts/setup.sh work installs it"
        pytest.skip("there is no systemd-analyze")
    argv = ["systemd-analyze", "--no-pager", *arguments]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def units(tmp_path) -> Path:
    """A folder with the units, the borgpull in them being the one that is tested."""
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/usr/local/bin/borgpull", str(Path(sys.executable).with_name("borgpull")))
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def test_systemd_takes_them_without_a_word(units):
    done = analyze("verify", "--man=no", "./borgpull.service", "./borgpull.timer", folder=units)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_verify_would_have_found_a_mistake(units):
    (units / "borgpull.service").write_text((units / "borgpull.service").read_text() + "ProtectEverything=yes\n")
    assert "ProtectEverything" in analyze("verify", "--man=no", "./borgpull.service", folder=units).stderr


def test_the_service_may_do_little(units):
    options = ["security", "--offline=true", f"--threshold={MOST_EXPOSED}"]
    done = analyze(*options, "./borgpull.service", folder=units)
    assert done.returncode == 0, done.stdout


def test_the_service_has_descriptors_for_every_jobs(units, monkeypatch):
    limit = int(section(units / "borgpull.service", "Service")["LimitNOFILE"])
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert runtime_dir.most_jobs() >= 1000


def test_the_timer_makes_up_for_a_missed_night(units):
    timer = section(units / "borgpull.timer", "Timer")
    assert timer["Persistent"] == "true"
    done = analyze("calendar", timer["OnCalendar"], folder=units)
    assert "Next elapse" in done.stdout


def section(unit: Path, name: str) -> configparser.SectionProxy:
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str
    read.read(unit)
    return read[name]


def test_its_command_backs_up_with_what_systemd_gives_it(world: World, units, tmp_path, disk):
    credentials, runtime, cache = (world.memory / name for name in ("credentials", "runtime", "cache"))
    for folder in (credentials, runtime, cache):
        folder.mkdir(mode=0o700)
    decrypted(world.lab.config_text(), disk, credentials / CREDENTIAL)
    command = section(units / "borgpull.service", "Service")["ExecStart"]
    argv = command.replace("%d", str(credentials)).replace("%C", str(cache)).split()
    env = {"PATH": os.environ["PATH"], "RUNTIME_DIRECTORY": str(runtime), "CREDENTIALS_DIRECTORY": str(credentials)}
    done = subprocess.run(
        [sys.executable, "-c", DENY_WRITE_EXECUTE, *argv],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [len(world.lab.archives(target)) for target in world.targets] == [1, 1]
    assert list(runtime.iterdir()) == []
    assert any((cache / "borgpull").iterdir())
    assert found_on_disk(secrets_of(world.lab), [cache, tmp_path, disk]) == []


def decrypted(config: str, folder: Path, place: Path) -> None:
    """Encrypt `config` as the page says, and decrypt it to `place` as systemd does when the service starts."""
    # The key of a machine that is made for this test alone.
    env = {**os.environ, "SYSTEMD_CREDENTIAL_SECRET": str(folder / "key of the machine")}
    page = (ROOT / "docs" / "systemd.md").read_text()
    assert f"systemd-creds encrypt --name={CREDENTIAL} - /etc/borgpull/config.toml.cred" in page
    encrypted = folder / "config.toml.cred"
    name = f"--name={CREDENTIAL}"
    encrypt = ["systemd-creds", "encrypt", "--with-key=host", name, "-", str(encrypted)]
    subprocess.run(encrypt, input=config, text=True, env=env, check=True, capture_output=True)
    subprocess.run(["systemd-creds", "decrypt", name, str(encrypted), str(place)], env=env, check=True)


def test_the_kernel_here_denies_what_is_written_and_executed():
    if ctypes.CDLL(None).prctl(66, 0, 0, 0, 0) < 0:
        pytest.skip("Linux 6.3 and later have PR_SET_MDWE")
    script = "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)"
    argv = [sys.executable, "-c", DENY_WRITE_EXECUTE, sys.executable, "-c", script]
    assert "PermissionError" in subprocess.run(argv, capture_output=True, text=True, check=False).stderr
