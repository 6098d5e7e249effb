"""Renders the live table and the summary as SVG into docs/, from a real run in a throw-away lab.

One target's borg is replaced by one that deletes an archive, one has a source path that is not there.
"""

import asyncio
import io
import os
import re
import sys
from pathlib import Path

from rich.console import Console

from borgpull import config, fleet, runtime_dir, ssh
from borgpull.events import Event, Step, StepStarted
from borgpull.ui.board import Board, fold
from borgpull.ui.run_table import frame
from borgpull.ui.summary import summary_table
from lab import Lab, Spot, lab_running

WIDTH, HEIGHT = 110, 24
DOCS = Path(__file__).parent.parent / "docs"
SIZES = {"web1": 240, "web2": 90, "mail": 150, "db": 400, "wiki": 60, "build": 30}
MEGABYTE = 1_000_000


def main() -> None:
    """Run twice, and draw the second run: one moment of it, and its end."""
    with lab_running(targets=[Spot(name=name) for name in SIZES]) as lab, runtime_dir.private_directory() as directory:
        _grow(lab, "first")
        _run(lab, lab.config(), directory)
        _grow(lab, "second")
        events = _run(lab, _troubled(lab), directory)
    moment = max(_moments(events), key=lambda pair: pair[0])[1]
    table = frame(_board(events[:moment]), now=events[moment].at, width=WIDTH, height=HEIGHT)
    _draw("table", "borgpull < config.toml", [table])
    _draw("summary", "borgpull < config.toml", summary_table(_board(events), events[-1].at, WIDTH))


def _grow(lab: Lab, name: str) -> None:
    for target in lab.targets:
        for number in range(SIZES[target.name] // 10):
            (target.source / f"{name}-{number}").write_bytes(os.urandom(10 * MEGABYTE))


def _troubled(lab: Lab) -> dict:
    wanted = lab.config()
    evil = lab.directory / "evil"
    evil.write_text(f"#!/bin/sh\nexec borg --log-json delete ::{lab.archives(lab.targets[2])[0]}\n")
    evil.chmod(0o755)
    wanted["Servers"][2]["BorgPath"] = str(evil)
    wanted["Servers"][5]["SourcePaths"] = ["/srv/build"]
    return wanted


def _run(lab: Lab, wanted: dict, directory: Path) -> list[Event]:
    settings = config.read(
        lab.config_text(wanted),
        check_key=lambda *login: ssh.key_problem(directory, *login),
        check_known_host=lambda host, port, text: ssh.known_host_problem(host, port, text, directory),
    )
    events: list[Event] = []
    (lab.directory / "cache").mkdir(exist_ok=True)
    asyncio.run(
        fleet.run(settings, settings.targets, directory=directory, cache=lab.directory / "cache", emit=events.append)
    )
    return events


def _board(events: list[Event]) -> Board:
    board = Board()
    for event in events:
        board = fold(board, event)
    return board


def _moments(events: list[Event]) -> list[tuple[int, int]]:
    """Return how many steps are under way at once, and the place in the events: many make a good picture."""
    steps: dict[str, Step] = {}
    found = []
    for place, event in enumerate(events):
        if isinstance(event, StepStarted):
            steps[event.target] = event.step
        found.append((len(set(steps.values())), place))
    return found


def _draw(name: str, title: str, parts: list) -> None:
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for part in parts:
        console.print(part)
    # The pictures shall load nothing from anywhere: the reader's own fixed-width font will do.
    svg = re.sub(r"@font-face \{.*?\}|<!--.*?-->", "", console.export_svg(title=title), flags=re.DOTALL)
    (DOCS / f"{name}.svg").write_text(svg, encoding="utf-8")
    print(f"docs/{name}.svg", file=sys.stderr)


if __name__ == "__main__":
    main()
