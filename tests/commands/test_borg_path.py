"""What is wrong with the program that BorgPath names: a run and doctor say the same.

A standalone borg cannot unpack itself where the folder for its temporary files is full, or mounted noexec.
"""

import json

import pytest

from lab import Spot
from support import loopback_world
from support.reading import row, said_of, script

CAUSE = "its standalone borg cannot unpack itself: its folder for temporary files is full, or mounted noexec"
# As PyInstaller 6.22 and the loader of glibc 2.36 say it, with these exit statuses.
SAID = {
    "noexec": ("error while loading shared libraries: libz.so.1: failed to map segment from shared object", 127),
    "full": (
        "[PYI-7:ERROR] Failed to extract libcrypto.so.3: decompression resulted in return code -1!\n"
        "[PYI-7:ERROR] Failed to extract entry: libcrypto.so.3.",
        255,
    ),
}


@pytest.mark.parametrize("why", SAID)
@pytest.mark.parametrize("party", ["B", pytest.param("T web", marks=pytest.mark.slow)])
def test_a_run_and_doctor_say_so(party, why, tmp_path):
    borg = tmp_path / "borg-linux64"
    text, status = SAID[why]
    script(borg, f"cat >&2 <<'end'\n{text}\nend\nexit {status}\n")
    hosts = {"B": Spot(name="B"), "T web": Spot(name="web")}
    hosts[party] = Spot(name=hosts[party].name, borg_path=str(borg))
    with loopback_world([hosts["T web"]], server=hosts["B"], planted=False) as world:
        failed = world.run("--json")
        assert failed.returncode == 2
        said = said_of(row(failed, "web"))
        assert said.startswith(f"{party}: {CAUSE}\n"), said
        assert "TMPDIR=/var/tmp" in said
        looked = world.run("doctor", "--json")
        assert looked.returncode == 2
        crosses = {each["what"]: each for each in json.loads(looked.stdout)["findings"] if each["mark"] == "failed"}
        assert CAUSE in crosses["borg"]["detail"]
        assert "TMPDIR=/var/tmp" in crosses["borg"]["hint"]


def test_a_borg_that_is_too_old_gets_no_repository(tmp_path):
    borg = script(tmp_path / "borg", '[ "$1" = --version ] || exec /usr/bin/borg "$@"\necho borg 1.1.18\n')
    with loopback_world(["web"], server=Spot(name="B", borg_path=borg), planted=False) as world:
        failed = world.run("--json")
        assert failed.returncode == 2
        said = said_of(row(failed, "web"))
        assert said.startswith("B: its borg 1.1.18 is too old\nhint: install borg 1.2 or 1.4, or set BorgPath"), said
        looked = json.loads(world.run("doctor", "--json").stdout)["findings"]
        (finding,) = (each for each in looked if (each["party"], each["what"]) == ("B", "borg"))
        assert (finding["mark"], finding["detail"]) == ("failed", "its borg 1.1.18 is too old")
        assert not world.target("web").repository.exists()


def test_a_borg_that_warns_before_it_says_its_version_is_green_and_backs_up(tmp_path):
    borg = script(tmp_path / "borg", 'echo "a warning of its Python" >&2\nexec /usr/bin/borg "$@"\n')
    with loopback_world([Spot(name="web", borg_path=borg)], server=Spot(name="B", borg_path=borg)) as world:
        looked = world.run("doctor")
        assert looked.returncode == 0, looked.stdout
        done = world.run("--json")
        assert done.returncode in (0, 1), done.stderr
        assert row(done, "web")["archive"]
