"""B's file system has no hard links: that is said, attacks are noticed all the same, and what can be put back is."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from attacks.attack import plant as plant_attack
from lab import Spot
from lab.trees import differences, plant
from support import World, loopback_world
from support.reading import only

pytestmark = pytest.mark.slow

NEEDED = ("losetup", "mkfs.exfat", "mount.exfat-fuse")


@contextlib.contextmanager
def exfat_at(folder: Path, image: Path) -> Iterator[None]:
    """Mount a new exFAT file system, by FUSE, at a folder."""
    with image.open("wb") as hole:
        hole.truncate(256 * 1024 * 1024)
    device = subprocess.run(
        ["losetup", "-f", "--show", image], capture_output=True, text=True, check=True
    ).stdout.strip()
    try:
        subprocess.run(["mkfs.exfat", device], capture_output=True, check=True)
        subprocess.run(["mount.exfat-fuse", device, folder], capture_output=True, check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", folder], check=True)
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


@pytest.fixture(params=["an ln that fails", "exFAT"])
def without_links(request, tmp_path):
    """A world with one target, whose B cannot make a hard link; where exFAT cannot be had, only by a failing `ln`."""
    if request.param == "exFAT":
        if not all(map(shutil.which, NEEDED)) or not Path("/dev/loop-control").exists():
            pytest.skip("exFAT needs loop devices, exfat-fuse and exfatprogs")
        with loopback_world(["web"], planted=False) as world, exfat_at(world.lab.root, tmp_path / "image"):
            yield world
        return
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ln").write_text(
        "#!/bin/sh\necho 'ln: failed to create hard link: Operation not permitted' >&2\nexit 1\n"
    )
    (programs / "ln").chmod(0o755)
    line = f'ForceCommand PATH={programs}:$PATH; export PATH; exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'
    with loopback_world(["web"], server=Spot(name="B", sshd_lines=(line,)), planted=False) as world:
        yield world


def attacked(world: World, name: str) -> dict:
    place = world.target("web").host.directory / "evil"
    plant_attack(place, name)
    return only(world.lab.config(), "web", BorgPath=str(place))


def test_it_is_said_and_a_rollback_does_what_it_can(without_links, tmp_path):
    world, target = without_links, without_links.target("web")
    plant(target.source, files=3)
    first = world.run()
    assert first.returncode in (0, 1), first.stderr
    assert "the backup server's file system has no hard links" in first.stderr
    (archive,) = world.lab.archives(target)
    kept = tmp_path / "kept"
    shutil.copytree(target.source, kept, symlinks=True)

    found = world.run("-q", config=attacked(world, "delete_archive"))
    assert found.returncode == 3, found.stderr
    assert f"1 archive vanished: {archive}" in found.stderr
    back = world.run("rollback", "web", "--yes")
    assert back.returncode == 0, back.stderr
    out = tmp_path / "out"
    out.mkdir()
    assert differences(kept, world.lab.extracted(target, archive, out)) == []
    assert world.run("-q").returncode in (0, 1)
