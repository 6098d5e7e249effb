"""What stays of a series is what `borg prune --dry-run --list` keeps of it, of archives that borg made."""

import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from histories import DAY, History, as_borg_chose, python_of, stamp

from borgpull.retention import Archive

# Ages in days. The source paths have an archive that is newer than their checkpoint, the stream has none.
AGES = {"snapshot-": (0.2, 0.7, 1.3, 8, 40, 400), "@db-": (2.1, 2.2)}
RULES = (
    "--keep-last=2",
    "--keep-within=2d",
    "--keep-within=1y",
    "--keep-hourly=3 --keep-secondly=1",
    "--keep-daily=3 --keep-weekly=2",
    "--keep-daily=0 --keep-weekly=3",
    "--keep-minutely=2 --keep-yearly=1",
    "--keep-within=1w --keep-monthly=2 --keep-yearly=-1",
)
QUARTERS = {"1.2": (), "1.4": ("--keep-13weekly=2", "--keep-daily=1 --keep-3monthly=4", "--keep-3monthly=-1")}
_OFTEN = Path(__file__).with_name("borg_often.py")


@dataclass(frozen=True, kw_only=True)
class Borg:
    """A version of borg, and a folder for all that it writes."""

    version: str
    directory: Path

    def said(self, commands: list[list[str]]) -> list[list[str]]:
        """Run borg with each of these, and return the lines that each one printed."""
        env = {
            "BORG_BASE_DIR": str(self.directory),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
            "BORG_REPO": str(self.directory / "home"),
            "LANG": "C.UTF-8",
            "PATH": os.environ["PATH"],
            "TZ": "UTC",
        }
        asked = "".join(f"{json.dumps(command)}\n" for command in commands)
        done = subprocess.run(
            [python_of(self.version), _OFTEN],
            input=asked,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        *said, rest = done.stdout.split("ended: 0\n")
        assert len(said) == len(commands) and not rest, done.stdout
        return [lines.splitlines() for lines in said]


@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_what_stays_is_what_borg_keeps(version):
    now = int(time.time())
    series = {
        prefix: (*(_archive(prefix, now - int(age * DAY)) for age in ages), _archive(prefix, now - DAY, ".checkpoint"))
        for prefix, ages in AGES.items()
    }
    made = [archive for archives in series.values() for archive in archives]
    asked = [("snapshot-", rules.split()) for rules in (*RULES, *QUARTERS[version])]
    asked += [("@db-", rules.split()) for rules in RULES[:4]]
    with tempfile.TemporaryDirectory(prefix="bpkeep-", dir="/dev/shm") as directory:
        borg = Borg(version=version, directory=Path(directory))
        borg.said([["init", "--encryption=none"]])
        borg.said([["create", f"--timestamp={stamp(one.started)}", f"::{one.name}", "/dev/null"] for one in made])
        said = borg.said([["prune", "--dry-run", "--list", f"--glob-archives={of}*", *rules] for of, rules in asked])
    for (prefix, rules), lines in zip(asked, said, strict=True):
        history = History(archives=series[prefix], options=tuple(rules), streams=("db",), now=time.time())
        assert history.chosen() == as_borg_chose(lines, history), rules


def _archive(prefix: str, started: int, end: str = "") -> Archive:
    name = f"{prefix}{stamp(started)}{end}"
    return Archive(name=name, id=name, started=started)
