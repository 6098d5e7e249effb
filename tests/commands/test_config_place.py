"""Where the config comes from: --config, stdin, or a container's secret; and that nothing is never taken for one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT, Result, World, needs_network_namespaces
from support.reading import only, until

# A /run of its own, as in a container, for this process alone.
WITH_SECRET = 'mount -t tmpfs none /run && mkdir /run/secrets && cp "$1" /run/secrets/borgpull && shift && exec "$@"'


def with_secret(text: str, folder: Path, *arguments: str, stdin: int | None = None, piped: str | None = None) -> Result:
    """Run borgpull where /run/secrets/borgpull holds `text`."""
    needs_network_namespaces()
    secret = folder / "secret"
    secret.write_text(text)
    mine = ["unshare", "--mount", "sh", "-c", WITH_SECRET, "sh", str(secret)]
    done = subprocess.run(
        [*mine, sys.executable, "-m", "borgpull", *arguments],
        cwd=ROOT,
        stdin=stdin,
        input=piped,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(folder)},
    )
    return Result(done.returncode, done.stdout, done.stderr)


def test_a_run_finds_its_secret_where_nothing_is_piped_in(shared_world: World, tmp_path):
    config = shared_world.lab.config_text(only(shared_world.lab.config(), "web"))
    result = with_secret(config, tmp_path, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stderr
    assert len(shared_world.lab.archives(shared_world.target("web"))) == 1


@pytest.mark.parametrize("command", ["run", "doctor", "status"])
def test_what_is_piped_in_is_read_instead_of_the_secret(command, tmp_path):
    result = with_secret("Secret = 1", tmp_path, command, piped="Piped = 1")
    assert result.returncode == 4
    assert "Piped" in result.stderr
    assert "Secret" not in result.stderr


def test_a_file_that_is_named_is_read_instead_of_both(tmp_path):
    (tmp_path / "named").write_text("Named = 1")
    result = with_secret("Secret = 1", tmp_path, "--config", str(tmp_path / "named"), piped="Piped = 1")
    assert result.returncode == 4
    assert "Named" in result.stderr
    assert "Piped" not in result.stderr


def test_when_the_decryption_fails_no_other_config_takes_its_place(tmp_path):
    result = with_secret("Secret = 1", tmp_path, piped="")
    assert result.returncode == 4
    assert "stdin was empty" in result.stderr
    assert "Secret" not in result.stderr


def test_without_any_config_that_is_said(tmp_path):
    argv = [sys.executable, "-m", "borgpull"]
    done = subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "there is no config" in done.stderr


def test_a_run_that_is_stopped_while_it_waits_for_its_config_leaves_nothing_behind(shared_world: World):
    with shared_world.start() as run:
        until(lambda: list(shared_world.memory.glob("borgpull-*")), process=run)
        run.terminate()
        said = run.stderr.read()
    assert run.returncode == 143, said
    assert "Traceback" not in said
    assert shared_world.leftovers() == []
