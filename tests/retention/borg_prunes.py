"""Runs under a borg's own Python: a history a line in, what its own `do_prune` prints in a dry run a line out.

Only what surrounds the selection is stood in for: repository, cache, progress and the clock.
"""

import argparse
import contextlib
import json
import logging
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import borg.archiver
import borg.helpers.misc
import borg.logger
from borg.helpers.manifest import Archives

NOW = 0.0


class Clock(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.fromtimestamp(NOW, tz)


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def prepared() -> Lines:
    borg.helpers.misc.datetime = Clock
    borg.archiver.Cache = lambda *_, **__: contextlib.nullcontext()
    borg.archiver.ProgressIndicatorPercent = lambda **_: SimpleNamespace(show=lambda: None, finish=lambda: None)
    borg.archiver.format_archive = lambda archive: archive.name
    borg.logger.setup_logging(level="warning")
    heard = Lines()
    logger = logging.getLogger("borg.output.list")
    logger.setLevel(logging.INFO)
    logger.addHandler(heard)
    logger.propagate = False
    return heard


def manifest(history: list) -> SimpleNamespace:
    """What is loaded of a repository: borg stores its archives sorted by their names."""
    archives = Archives()
    for name, id_, started in sorted(history):
        archives[name] = (bytes.fromhex(id_), datetime.fromtimestamp(started, UTC))
    return SimpleNamespace(archives=archives)


def main() -> None:
    global NOW  # noqa: PLW0603
    heard = prepared()
    archiver = borg.archiver.Archiver()
    archiver.lock_wait = 1
    parser = archiver.build_parser()
    parsed: dict[tuple[str, ...], argparse.Namespace] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        NOW = asked["now"]
        options = tuple(asked["options"])
        if options not in parsed:
            parsed[options] = parser.parse_args(["prune", "--dry-run", "--list", *options, "/nowhere"])
            parser.common_options.resolve(parsed[options])
        borg.archiver.Archiver.do_prune.__wrapped__(
            archiver, parsed[options], repository=None, manifest=manifest(asked["archives"]), key=None
        )
        print(json.dumps(heard.lines), flush=True)
        heard.lines.clear()


if __name__ == "__main__":
    main()
