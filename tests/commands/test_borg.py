"""`borg`: a borg of the operator's at the operator's terminal; what it changes, and what is known of that then."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from lab import processes
from support import ROOT, World, loopback_world
from support.reading import until


@pytest.fixture(scope="module")
def backed_up() -> Iterator[World]:
    """A target with one archive of one file."""
    with loopback_world(["web"], planted=False) as world:
        (world.target("web").source / "file").write_text("content")
        done = world.run("-q")
        assert done.returncode == 0, done.stderr
        yield world


@contextlib.contextmanager
def at_terminal(world: World, *words: str) -> Iterator[pexpect.spawn]:
    """`borgpull borg` on a terminal, with the config in a pipe."""
    config = world.memory / "config.toml"
    config.write_text(world.lab.config_text())
    command = shlex.join([sys.executable, "-m", "borgpull", "borg", "web", *words])
    with pexpect.spawn(
        "sh",
        # A shell that was sent a Ctrl-C ends by it, whatever its command did with it.
        ["-c", f"trap : INT; cat {config} | {command}"],
        env=world.environment() | {"NO_COLOR": "1"},
        cwd=str(ROOT),
        encoding="utf-8",
        timeout=60,
    ) as child:
        child.delaybeforesend = None
        yield child


def test_what_a_session_without_full_access_deletes_can_be_put_back(backed_up):
    done = backed_up.run("borg", "web", "--", "list", "--format={archive}{NL}")
    assert (done.returncode, done.stderr) == (0, "")
    archive = done.stdout.strip()
    done = backed_up.run("borg", "web", "--", "delete", "::latest")
    assert done.returncode == 1
    assert f"warning: target web: the next run will close its repository: 1 archive vanished: {archive};" in done.stderr
    assert backed_up.run("rollback", "web", "--yes").returncode == 0
    assert backed_up.lab.archives(backed_up.target("web")) == [archive]


def test_what_full_access_changes_is_the_new_truth(backed_up):
    done = backed_up.run("borg", "web", "--full-access", "--", "create", "::mine", str(ROOT / "LICENSE"))
    assert (done.returncode, done.stdout) == (0, "")
    assert "target web: archives that came: mine" in done.stderr
    stands = backed_up.run("status", "web", "--json")
    assert stands.returncode == 0
    decided = json.loads(stands.stdout)["targets"][0]["history"][-1]
    assert decided["what"] == "borg --full-access"
    assert decided["cause"].startswith("archives that came: mine; ")


def test_a_first_ctrl_c_is_for_borg_and_a_prompt_is_answered_on_the_terminal(backed_up):
    with at_terminal(backed_up, "--full-access", "--", "check", "--repair") as child:
        child.expect("Type 'YES'")
        assert processes.mentioning(backed_up.target("web").passphrase) == []
        # Borg takes the first one for a wish that it may grant later; what leads to B has to live on.
        child.sendintr()
        child.expect(r"\^C")
        child.sendline("YES")
        child.expect(pexpect.EOF)
    assert child.exitstatus == 0, child.before


@pytest.mark.slow
def test_more_than_one_ctrl_c_ends_borg_and_leaves_nothing_behind(backed_up):
    lock = backed_up.target("web").repository / "lock.exclusive"
    with at_terminal(backed_up, "--full-access", "--", "delete") as child:
        child.expect("Type 'YES'")
        assert lock.exists()
        until(lambda: not lock.exists() or child.sendintr() == 0)
        child.expect(pexpect.EOF)
    assert child.exitstatus == 130, child.before
    (backed_up.memory / "config.toml").unlink()
    assert backed_up.leftovers() == []


@pytest.mark.slow
def test_a_closed_repository_can_be_read_but_not_changed():
    with loopback_world(["web"], planted=False) as world:
        (world.target("web").source / "file").write_text("content")
        assert world.run("-q").returncode == 0
        world.lab.borg(world.target("web"), "delete", f"::{world.lab.archives(world.target('web'))[0]}")
        refused = world.run("borg", "web", "--full-access", "--", "list")
        assert (refused.returncode, refused.stdout) == (3, "")
        assert "found: 1 archive vanished" in refused.stderr
        read = world.run("borg", "web", "--", "list")
        assert (read.returncode, read.stdout) == (0, "")
        assert "its repository was changed between two runs" in read.stderr


@pytest.mark.slow
def test_a_target_that_was_never_backed_up_gets_no_repository():
    with loopback_world(["web"], planted=False) as world:
        done = world.run("borg", "web", "--full-access", "--", "list")
        assert done.returncode == 2
        assert "does not exist" in done.stderr
        assert not world.target("web").repository.exists()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_without_a_terminal_ends_borg_too_and_what_it_did_is_told(backed_up, number, code, tmp_path):
    (tmp_path / "long").write_bytes(os.urandom(50_000_000))
    config = backed_up.memory / "config.toml"
    config.write_text(backed_up.lab.config_text())
    borg = ["create", "--upload-ratelimit=1000", f"::m-{code}", str(tmp_path / "long")]
    argv = [sys.executable, "-m", "borgpull", "borg", "web", "--config", str(config), "--", *borg]
    with subprocess.Popen(
        argv, env=backed_up.environment(), cwd=ROOT, text=True, stderr=subprocess.PIPE, start_new_session=True
    ) as run:
        until(lambda: [*backed_up.target("web").repository.glob("lock.exclusive")], process=run)
        run.send_signal(number)
        _, said = run.communicate(timeout=120)
    assert run.returncode == code, said
    config.unlink()
    assert backed_up.leftovers() == []
    backed_up.run("accept", "web", "--yes")


@pytest.mark.slow
def test_a_mount_ends_with_ctrl_c(backed_up, tmp_path):
    if not Path("/dev/fuse").exists():
        pytest.skip("there is no /dev/fuse")
    file = tmp_path / str(backed_up.target("web").source / "file").lstrip("/")
    with at_terminal(backed_up, "--", "mount", "::latest", str(tmp_path)) as child:
        until(lambda: tmp_path.is_mount() or not child.isalive())
        if not tmp_path.is_mount():
            pytest.skip(f"this borg cannot mount: {child.read()}")
        assert file.read_text() == "content"
        child.sendintr()
        child.expect(pexpect.EOF)
    assert child.exitstatus == 0
    assert not tmp_path.is_mount()
    (backed_up.memory / "config.toml").unlink()
    assert backed_up.leftovers() == []
