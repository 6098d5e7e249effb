"""Whole runs with nothing to back up: borgpull's, and those of a plain script that pushes from each target itself."""

import os
import shlex
import subprocess
from pathlib import Path

from bench.ways import SECONDS
from borgpull.borg import command_lines as borg_command
from borgpull.config import Options
from support import World

_PRUNE = ["--keep-last=5", "--keep-daily=7"]
# What a cautious operator would put into cron on each target.
_SCRIPT = "set -e\n{create}\n{borg} check\n{borg} prune {prune}\n{borg} compact\n"


def plant_small(folder: Path, *, files: int) -> None:
    """Put small files into a folder, as /etc has them."""
    for number in range(files):
        place = folder / f"{number % 50}" / f"{number:05}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(os.urandom(2_000))


class Script:
    """A script on each target that pushes its own backup to B over ssh, into a repository of its own.

    Side by side, all connect to B at once: its sshd has to let that many in (MaxStartups).
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._made = 0
        for target in world.targets:
            self._run(target, f"borg init -e repokey-blake2\n{self._text(target)}")

    def one_by_one(self) -> None:
        """Run it on one target after the other."""
        for target in self._world.targets:
            self._run(target, self._text(target))

    def side_by_side(self) -> None:
        """Run it on all targets at once."""
        running = [self._start(target, self._text(target)) for target in self._world.targets]
        for process in running:
            self._end(process)

    def _text(self, target) -> str:
        self._made += 1
        create = borg_command.create(f"a{self._made}", sources=[str(target.source)], excludes=[], options=Options())
        return _SCRIPT.format(create=shlex.join(["borg", *create]), borg="borg", prune=" ".join(_PRUNE))

    def _run(self, target, text: str) -> None:
        self._end(self._start(target, text))

    def _start(self, target, text: str) -> subprocess.Popen:
        *options, address = self._world.ssh(self._world.lab.server)
        secret = self._world.memory / f"{target.name}.passphrase"
        secret.write_text(target.passphrase)
        environment = dict(os.environ) | {
            "BORG_REPO": f"ssh://{address}{target.repository}-pushed",
            "BORG_RSH": " ".join(options),
            "BORG_BASE_DIR": str(target.host.directory / "pushing"),
            "BORG_PASSCOMMAND": f"cat {secret}",
        }
        return subprocess.Popen(
            ["sh", "-c", text],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    @staticmethod
    def _end(process: subprocess.Popen) -> None:
        said, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, said
