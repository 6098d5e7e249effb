"""The units for a backup server without a shell: systemd takes them, and what they start answers as it should."""

import asyncio
import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from test_units import UNITS, analyze, section

from borgpull.config.address import escaped
from borgpull.transport import probe_serve

SUB_DIR = "web/db-1"
MOST_EXPOSED = 15


@pytest.fixture
def made(tmp_path) -> Path:
    """A folder with the units of a repository below `root` in it."""
    (tmp_path / "root").mkdir()
    (tmp_path / "units").mkdir()
    arguments = [str(tmp_path / "root"), SUB_DIR, "borg", "borgpull", str(tmp_path / "units")]
    subprocess.run(["sh", UNITS / "add-repository.sh", *arguments], check=True, capture_output=True)
    return tmp_path


def unit(made: Path, kind: str, what: str) -> Path:
    return made / "units" / f"borgpull-{kind}-{escaped(SUB_DIR)}{what}"


def test_systemd_takes_them_and_they_may_do_little(made):
    names = [f"./{path.name}" for path in (made / "units").iterdir()]
    assert len(names) == 4
    done = analyze("verify", "--man=no", *names, folder=made / "units")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for kind in ("append", "full"):
        name = unit(made, kind, "@.service").name
        done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", f"./{name}", folder=made / "units")
        assert done.returncode == 0, done.stdout


def test_each_socket_is_where_borgpull_looks_for_it_and_for_its_account_alone(made):
    for kind in ("append", "full"):
        socket = section(unit(made, kind, ".socket"), "Socket")
        assert socket["ListenStream"] == f"/run/borgpull/{kind}/{escaped(SUB_DIR)}"
        assert (socket["SocketUser"], socket["SocketMode"], socket["Accept"]) == ("borgpull", "0600", "yes")


@pytest.mark.parametrize(("kind", "options"), [("append", ["--append-only"]), ("full", ["--info"])])
def test_what_a_socket_starts_is_a_borg_serve_for_this_repository(made, kind, options):
    service = section(unit(made, kind, "@.service"), "Service")
    argv = shlex.split(service["ExecStart"])
    assert argv == ["/usr/bin/borg", "serve", *options, "--restrict-to-repository", f"{made}/root/{SUB_DIR}"]
    settings = [f"--setenv={setting}" for setting in service["Environment"].split()]
    listen = ["systemd-socket-activate", f"--listen={made}/socket", "--accept", "--inetd", *settings, *argv]
    with subprocess.Popen(listen, stderr=subprocess.PIPE, env={"PATH": os.environ["PATH"]}) as listener:
        try:
            deadline = time.monotonic() + 30
            while asyncio.run(probe_serve(made / "socket")) is None:
                assert time.monotonic() < deadline, "no borg serve answers"
        finally:
            listener.terminate()


@pytest.mark.parametrize("sub_dir", ["a|b", "../x", "/x", "x/", 'x"', "a b", "$x"])
def test_a_path_that_would_need_care_in_a_unit_is_refused(made, sub_dir):
    before = set((made / "units").iterdir())
    argv = ["sh", UNITS / "add-repository.sh", "/srv", sub_dir, "borg", "borgpull", made / "units"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "by hand" in done.stderr
    assert set((made / "units").iterdir()) == before
