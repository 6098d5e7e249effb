"""A whole story with a backup server and a target of each Debian, with the sshd, shell, borg and socat of that."""

import os
from collections.abc import Iterator

import pytest

from lab.trees import differences, plant
from support import borg_of, loopback_world
from support.distributions import Distributions, distributions
from support.reading import entry, report, row, said_of

pytestmark = pytest.mark.slow

# By release, the version of its borg, and the one that C and the other target have beside it.
RELEASES = {"bookworm": ("1.2", "1.4"), "trixie": ("1.4", "1.2"), "sid": ("1.4", "1.2")}
# Its borg is too old.
OLD = "bullseye"
LARGE = 3_000_000


@pytest.fixture(scope="module")
def debian() -> Iterator[Distributions]:
    with distributions() as made:
        yield made


@pytest.mark.parametrize("release", RELEASES)
def test_a_whole_story(debian, release, tmp_path):
    own, other = RELEASES[release]
    assert debian.said(release, "borg", "--version").startswith(f"borg {own}.")
    with loopback_world([debian.spot("web", release), "mail"], server=debian.spot("B", release)) as world:
        config = world.lab.config()
        config["Borg"] |= {"PruneSetting": "--keep-last 1", "CheckEvery": "always", "Retries": 0}
        entry(config, "mail")["BorgPath"] = borg_of(other)
        web = world.target("web")
        entry(config, "web")["Before"] = [f"cat /etc/debian_version >{web.source}/release"]
        entry(config, "web")["Streams"] = [{"Name": "packages", "Command": "dpkg --list"}]

        def run(*arguments: str):
            return world.run(*arguments, config=config, borg=borg_of(other), seconds=400)

        doctor = run("doctor")
        assert doctor.returncode == 0, doctor.stdout + doctor.stderr
        for _ in range(2):
            for target in world.targets:
                (target.source / "large").write_bytes(os.urandom(LARGE))
            done = run("--json")
            assert done.returncode == 0, done.stderr
            assert [said_of(each) for each in report(done)["targets"]] == ["", ""]
        assert (web.source / "release").read_text() == debian.said(release, "cat", "/etc/debian_version") + "\n"
        # The older archive went, and what it alone needed was freed.
        details = {step["step"]: step["detail"] for step in row(done, "web")["steps"]}
        assert details["compact"].startswith("freed ")
        for target in world.targets:
            folder = tmp_path / target.name
            restored = run("restore", target.name, "--to", str(folder))
            assert restored.returncode == 0, restored.stderr
            assert differences(target.source, folder / target.source.relative_to("/")) == []
        packages = run("restore", "web", "@packages", "--to", str(tmp_path / "stream"))
        assert packages.returncode == 0, packages.stderr
        assert "openssh-server" in (tmp_path / "stream" / "packages").read_text()
        plant(web.source / "later", files=3)
        back = run("restore", "web", "--onto-target", "--to", str(web.host.directory / "back"))
        assert back.returncode == 0, back.stderr
        assert (web.host.directory / "back" / web.source.relative_to("/") / "release").exists()
        for target in world.targets:
            world.lab.borg(target, "check", "--verify-data")
        assert run("status").returncode == 0
        assert world.leftovers() == []


def test_an_older_borg_is_refused_by_doctor_and_by_a_run(debian):
    assert debian.said(OLD, "borg", "--version").startswith("borg 1.1.")
    with loopback_world([debian.spot("web", OLD)], server=debian.spot("B", OLD)) as world:
        doctor, done = world.run("doctor"), world.run()
    assert doctor.returncode == 2, doctor.stdout + doctor.stderr
    assert done.returncode == 2, done.stderr
    for said in (doctor.stdout + doctor.stderr, done.stderr):
        assert "borg 1.1" in said
        assert "1.2 or 1.4" in said
