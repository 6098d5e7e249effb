"""A real borg opens the repository where we say that it lies, and takes the retention that we let pass."""

import os
import subprocess
from pathlib import Path

import pytest
from sample import GOOD, read_pure

from borgpull.config import retention, rules
from borgpull.config.address import repository_path
from borgpull.config.model_fields import problem_with
from support import borg_14
from support.place import DISTRIBUTION_BORG

# Has borg's own parser read each option of `borg create` that is given.
PARSED = """
for option in sys.argv[1:]:
    Archiver(prog="borg").build_parser().parse_args(["create", option, "repository::archive", "path"])
    print("taken")
"""


@pytest.fixture(scope="module")
def borg(tmp_path_factory):
    """Return a function that runs borg against `borg serve` on this machine, without ssh."""
    base = tmp_path_factory.mktemp("base")
    env = {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "BORG_SELFTEST": "disabled",
        "BORG_BASE_DIR": str(base),
        "BORG_RSH": "sh -c 'exec borg serve'",
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
    }
    return lambda *argv: subprocess.run(
        ["borg", *argv], env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "sub_dir",
    [
        "sub/x",
        "/sub/x/",
        "./a//b/.",
        "my files",
        "a@b",
        "a:b:",
        "%h%20",
        "ünï",
        "'q\"$x`id`",
        "~root",
        "-x",
    ],
)
def test_the_repository_lies_where_we_say(sub_dir, borg, tmp_path):
    root_dir = f"{tmp_path}/root/"
    text = GOOD.replace('"/home/backups"', f"'{root_dir}'")
    config = read_pure(text.replace('"sub/db1"', f"'''{sub_dir}'''"))
    target = config.targets[1]
    done = borg("init", "--encryption=none", "--make-parent-dirs", config.repository_url(target))
    assert done.returncode == 0, done.stderr
    assert Path(config.repository_path(target), "README").is_file()


@pytest.mark.parametrize(("root_dir", "sub_dir"), [("/srv/{x", "y"), ("/srv", "a::b"), ("/srv", "{now}")])
def test_what_we_refuse_is_misread_by_borg(root_dir, sub_dir, borg):
    done = borg("info", f"ssh://borg-server/{root_dir}/{sub_dir}")
    assert repository_path(root_dir, sub_dir) not in done.stderr


@pytest.fixture(scope="module")
def repository(borg, tmp_path_factory):
    place = str(tmp_path_factory.mktemp("pruned") / "repository")
    assert borg("init", "--encryption=none", place).returncode == 0
    return place


@pytest.mark.parametrize(
    "setting",
    [
        "--keep-daily 7 --keep-weekly 20 --keep-monthly 12 --keep-yearly 15",
        "--keep-last=3",
        "--keep-secondly 1 --keep-minutely 2 --keep-hourly 3",
        "--keep-within 2H --keep-daily=0",
        "--keep-within=1m",
        "--keep-yearly -1",
        "  '--keep-daily'  \"7\" ",
    ],
)
def test_borg_takes_the_retention(setting, borg, repository):
    done = borg("prune", "--dry-run", *retention.options(setting), repository)
    assert done.returncode == 0, done.stderr


def test_the_newer_quarterly_rules():
    assert retention.options("--keep-13weekly 4") == ("--keep-13weekly=4",)
    assert retention.options("--keep-3monthly 4") == ("--keep-3monthly=4",)


COMPRESSIONS = ("none", "lz4", "zstd", "zstd,1", "zstd,22", "zlib,0", "zlib,9", "lzma,9", "auto,zstd,3", "auto,none")
OBFUSCATIONS = ("obfuscate,1,lz4", "obfuscate,6,auto,zstd,5", "obfuscate,110,zlib,1", "obfuscate,123,none")


@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_both_borgs_take_what_passes_for_a_compression_and_a_files_cache(version, tmp_path):
    borg = DISTRIBUTION_BORG if version == "1.2" else borg_14()
    program = f"import sys; from borg.archiver import Archiver\n{PARSED}"
    given = [f"--compression={text}" for text in (*COMPRESSIONS, *OBFUSCATIONS)]
    given += [f"--files-cache={mode}" for mode in rules.FILES_CACHES]
    assert [text for text in (*COMPRESSIONS, *OBFUSCATIONS) if problem_with(rules.compression, text)] == []
    python = Path(borg).read_text().partition("\n")[0].removeprefix("#!").split()[0]
    done = subprocess.run([python, "-c", program, *given], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["taken"] * len(given)), done.stderr
