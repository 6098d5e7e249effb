"""doctor goes the whole way of a backup once: borg on the target starts, and its socat connects to the controller.

Where that cannot be, doctor and a run say the same; where it can, nothing of it stays on the target.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Spot
from lab.trees import plant
from support import LOGIN, Result, World, borg_of, loopback_world, sudoing_world
from support.reading import config_of, forced_shell, row, said_of, script

# As FreeBSD and macOS refuse a buffer above kern.ipc.maxsockbuf.
REFUSING = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>

int setsockopt(int fd, int level, int name, const void *value, socklen_t size) {
    int (*real)(int, int, int, const void *, socklen_t) = dlsym(RTLD_NEXT, "setsockopt");
    if (level == SOL_SOCKET && name == SO_SNDBUF && *(const int *)value > 2097152) {
        errno = ENOBUFS;
        return -1;
    }
    return real(fd, level, name, value, size);
}
"""
LARGE = "socat -u /dev/null UNIX-SENDTO:/nowhere,sndbuf=4194304"
# A socat that notes how it is called.
NOTING = 'echo "$*" >>{log}; exec /usr/bin/socat "$@"\n'
# One of another system, that only says its version.
BROKEN = '[ "$1" != -V ] || exec /usr/bin/socat -V\necho "socat: cannot load libwrap.so" >&2\nexit 1\n'
# What borg and what it starts need of a PATH.
PROGRAMS = ("cat", "grep", "ldconfig", "sh", "sleep", "uname")
VERSIONS = ["1.2", pytest.param("1.4", marks=pytest.mark.slow)]


def transport_of(result: Result) -> dict[str, str]:
    """Return what doctor says of the transport of the one target."""
    found = json.loads(result.stdout)["findings"]
    (finding,) = [each for each in found if each["what"] == "transport"]
    return finding


def files_below(*places: Path) -> list[Path]:
    return [place for folder in places for place in folder.rglob("*")]


@pytest.fixture(scope="module")
def refusing(tmp_path_factory) -> Iterator[World]:
    """A target whose system refuses large buffers."""
    folder = tmp_path_factory.mktemp("refusing")
    (folder / "refusing.c").write_text(REFUSING)
    library = folder / "refusing.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, folder / "refusing.c", "-ldl"], check=True)
    with loopback_world([Spot(name="web", sshd_lines=(f"SetEnv LD_PRELOAD={library}",))]) as world:
        yield world


@pytest.mark.parametrize("options", [{}, {"Transport": "stdio"}], ids=["forward", "stdio"])
def test_where_the_system_refuses_a_large_buffer_it_goes_without(refusing, options):
    refused = subprocess.run(
        refusing.ssh(refusing.target("web").host, LARGE), capture_output=True, text=True, check=False
    )
    assert (refused.returncode, "No buffer space available" in refused.stderr) == (1, True), refused.stderr
    config = config_of(refusing, "web", **options)
    looked = refusing.run("doctor", "--json", config=config)
    assert transport_of(looked)["mark"] == "ok", looked.stdout
    done = refusing.run("--json", config=config)
    assert done.returncode == 0, said_of(row(done, "web"))
    assert refusing.leftovers() == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("options", [{}, {"Transport": "stdio"}], ids=["forward", "stdio"])
def test_the_socat_at_socat_path_is_the_one_and_doctor_leaves_nothing(version, options, tmp_path):
    log = tmp_path / "log"
    socat = script(tmp_path / "socat", NOTING.format(log=log))
    with loopback_world(["web"], planted=False) as world:
        web = world.target("web")
        plant(web.source, files=1)
        config = config_of(world, "web", BorgPath=borg_of(version), SocatPath=socat, **options)
        before = files_below(web.host.directory, world.lab.root)
        looked = world.run("doctor", "--json", config=config)
        assert transport_of(looked)["mark"] == "ok", looked.stdout
        assert files_below(web.host.directory, world.lab.root) == before
        by_doctor = log.read_text().splitlines()
        log.unlink()
        done = world.run("--json", config=config)
        assert done.returncode == 0, said_of(row(done, "web"))
        (connecting,) = [line for line in log.read_text().splitlines() if "UNIX-CONNECT" in line]
        assert ("UNIX-LISTEN" in log.read_text()) == bool(options)
        assert connecting.endswith("/borg,sndbuf=4194304")
        assert _nameless(by_doctor[1:]) == _nameless(log.read_text().splitlines()), "after its version the very same"
        assert world.leftovers() == []


def _nameless(lines: list[str]) -> list[str]:
    """Return command lines of socat without the names of folders, sorted."""
    return sorted(" ".join(word.partition("/borgpull.")[0] for word in line.split()) for line in lines)


def test_a_socat_that_breaks_is_found_by_doctor_and_named_by_a_run(tmp_path):
    socat = script(tmp_path / "socat", BROKEN)
    with loopback_world(["web"]) as world:
        config = config_of(world, "web", SocatPath=socat)
        looked = world.run("doctor", "--json", config=config)
        found = transport_of(looked)
        cause = "its borg did not connect to the controller: socat: cannot load libwrap.so"
        assert (looked.returncode, found["mark"], found["detail"], found["party"]) == (2, "failed", cause, "T web")
        assert "SocatPath of this target" in found["hint"]
        failed = world.run("--json", config=config)
        assert failed.returncode == 2
        assert said_of(row(failed, "web")).startswith(f"T web: {cause}\nhint: {found['hint']}")
        assert world.leftovers() == []


def test_a_run_names_a_socat_that_is_missing_or_at_an_odd_place(tmp_path):
    odd = tmp_path / "it's"
    odd.mkdir()
    (odd / "socat").symlink_to(shutil.which("socat"))
    with loopback_world([Spot(name="web", sshd_lines=(forced_shell(f'PATH="{odd}:$PATH"'),))]) as world:
        for path, cause in {
            "/nowhere/socat": "socat is not installed there (/nowhere/socat)",
            "socat": f"the path of its socat is not plain: {odd}/socat",
        }.items():
            failed = world.run("--json", config=config_of(world, "web", SocatPath=path))
            assert failed.returncode == 2
            said = said_of(row(failed, "web"))
            assert said.startswith(f"T web: {cause}\n"), said
            assert "SocatPath of this target" in said
        assert world.run(config=config_of(world, "web", SocatPath="/usr/bin/socat")).returncode == 0


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("options", [{}, {"Transport": "stdio"}], ids=["forward", "stdio"])
def test_with_sudo_the_socat_of_the_login_is_taken_though_root_would_not_find_it(version, options, tmp_path):
    borg = borg_of(version)
    for program in PROGRAMS:
        (tmp_path / program).symlink_to(shutil.which(program, path="/usr/bin:/bin:/sbin"))
    with sudoing_world() as sudoing:
        world, host = sudoing.world, sudoing.target.host
        sudoing.allow(f"{LOGIN} ALL=(root) NOPASSWD: {borg}", f'Defaults secure_path="{tmp_path}"')
        config = sudoing.config(BorgPath=borg, **options)
        places = (sudoing.home, host.directory, world.lab.root)
        before = files_below(*places)
        looked = world.run("doctor", "--json", config=config)
        assert transport_of(looked)["mark"] == "ok", looked.stdout
        assert files_below(*places) == before
        done = world.run("--json", config=config)
        assert done.returncode == 0, said_of(row(done, "web"))
        assert world.leftovers() == []


def test_a_sudo_that_allows_only_the_version_of_borg_is_found(tmp_path):
    with sudoing_world() as sudoing:
        sudoing.allow(f"{LOGIN} ALL=(root) NOPASSWD: /usr/bin/borg --version")
        looked = sudoing.world.run("doctor", "--json", config=sudoing.config())
        found = transport_of(looked)
        cause = "its borg did not connect to the controller: sudo: a password is required"
        assert (looked.returncode, found["mark"], found["detail"]) == (2, "failed", cause)
        failed = sudoing.world.run("--json", config=sudoing.config())
        assert said_of(row(failed, "web")).startswith(f"T web: {cause}\n"), failed.stdout
