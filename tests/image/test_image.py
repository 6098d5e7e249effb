"""The image, built and run for real: a whole backup from within it, and it ends and speaks as in a shell."""

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from image.built import Image, image_built, said
from image.container import Container
from lab.trees import differences
from support import Result, World, found_on_disk, loopback_world, secrets_of
from support.reading import until

pytestmark = pytest.mark.image

MOST_ON_TOP = 200_000_000
LONG = 6_000_000_000


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    for tool in ("buildah", "debootstrap", "runc"):
        assert shutil.which(tool), f"there is no {tool}: `make image` installs it"
    # Not below pytest's folder: it keeps those of its last runs, and this is half a gigabyte.
    with tempfile.TemporaryDirectory(prefix="bpimage-", dir="/var/tmp") as folder, image_built(Path(folder)) as built:
        yield built


@pytest.fixture
def container(image, tmp_path) -> Container:
    return Container(image, tmp_path)


def ended(process: subprocess.Popen, config: str | None = None) -> Result:
    with process:
        stdout, stderr = process.communicate(config, timeout=180)
    return Result(process.returncode, stdout, stderr)


def test_it_is_small(image):
    assert image.bytes_on_top < MOST_ON_TOP


def test_neither_pip_nor_a_compiler_is_in_it(image):
    folders = [image.files / folder for folder in ("usr/bin", "opt/borgpull/bin")]
    programs = {program.name for folder in folders for program in folder.iterdir()}
    assert {"borg", "borgpull", "ssh", "socat"} <= programs
    assert not [name for name in programs if name.startswith(("pip", "gcc", "cc"))]


def test_the_installed_package_is_what_runs(image):
    python = ["/opt/borgpull/bin/python", "-c", "import borgpull; print(borgpull.__file__)"]
    assert said("chroot", image.files, *python).startswith("/opt/borgpull/lib/")


def test_a_backup_with_the_config_on_stdin(world: World, container: Container):
    result = ended(container.start("--json"), world.lab.config_text())
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert [target["outcome"] for target in report["targets"]] == ["done", "done"]
    for target in world.targets:
        (archive,) = world.lab.archives(target)
        assert differences(target.source, world.lab.extracted(target, archive, container.folder)) == []
    assert world.leftovers() == []


def test_its_lines_are_those_of_a_shell_and_no_secret_comes_to_a_disk(world: World, container: Container):
    result = ended(container.start("-v"), world.lab.config_text())
    assert result.returncode == 0, result.stderr
    assert "web: done" in result.stderr
    assert result.stdout == ""
    assert any(container.cache.iterdir()), "the cache is not in the volume"
    assert found_on_disk(secrets_of(world.lab), [container.image.files, container.cache]) == []


def test_a_backup_with_the_config_as_a_secret(world: World, image, tmp_path):
    container = Container(image, tmp_path, secret=world.lab.config_text())
    result = ended(container.start(stdin=subprocess.DEVNULL))
    assert result.returncode == 0, result.stderr
    assert [len(world.lab.archives(target)) for target in world.targets] == [1, 1]


def test_doctor_finds_nothing_to_mend_in_it(world: World, container: Container):
    result = ended(container.start("doctor", "--json"), world.lab.config_text())
    findings = json.loads(result.stdout)["findings"]
    assert [found for found in findings if found["mark"] == "failed"] == []
    assert "1.4" in next(found["detail"] for found in findings if found["what"] == "borg")
    assert result.returncode in {0, 1}, result.stdout


@pytest.mark.parametrize(("config", "said"), [("", "stdin was empty"), ("Wrong = 1", "Wrong"), (None, "no config")])
def test_a_wrong_config_is_told_and_ends_with_4(container: Container, config, said):
    result = ended(container.start(stdin=subprocess.DEVNULL if config is None else subprocess.PIPE), config)
    assert result.returncode == 4
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_target_that_fails_ends_it_with_2(world: World, container: Container):
    config = world.lab.config()
    config["Borg"]["Retries"] = 0
    config["Servers"][0]["SourcePaths"] = ["/nowhere"]
    result = ended(container.start(), world.lab.config_text(config))
    assert result.returncode == 2, result.stderr
    assert "hint:" in result.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_is_stopped_as_in_a_shell(container: Container, number, code, tmp_path_factory):
    with loopback_world(["web"]) as world:
        with (world.target("web").source / "long").open("wb") as hole:
            hole.truncate(LONG)
        process = container.start("--events", "/var/cache/borgpull/events")
        process.stdin.write(world.lab.config_text())
        process.stdin.close()
        process.stdin = None
        told = container.cache / "events"
        until(lambda: told.exists() and "archive_progress" in told.read_text(), process=process)
        process.send_signal(number)
        result = ended(process)
        assert result.returncode == code, result.stderr
        assert "interrupted" in result.stderr
        assert world.leftovers() == []


def test_docker_stop_ends_it_while_it_waits_for_its_config(container: Container):
    process = container.start()
    until(lambda: waits(container), process=process)
    process.terminate()
    # Its standard input stays open until then.
    process.wait(timeout=60)
    assert ended(process).returncode == 143


def waits(container: Container) -> bool:
    """Tell whether borgpull is up, process 1 of the container, and asleep in the read of its stdin."""
    try:
        (pid,) = container.processes()
        return "pipe" in Path(f"/proc/{pid}/wchan").read_text()
    except (AssertionError, ValueError, OSError):
        return False
