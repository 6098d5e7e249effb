"""A program for the tests to run in a terminal: shows a run, then does what each line on its stdin says."""

from __future__ import annotations

import sys

from scenes import START, big_run, done, progress

from borgpull.events import Said, Warned
from borgpull.ui import open_display


def main(targets: int, verbose: bool) -> None:
    now = START + 9
    with open_display(quiet=False, verbose=verbose, clock=lambda: now) as display:
        for event in big_run(targets=targets):
            display.handle(event)
        for line in sys.stdin:
            word = line.strip()
            if word == "crash":
                raise RuntimeError("crashed in the middle")
            if word == "stray":
                print("a stray line of a library", file=sys.stderr)
            if word == "said":
                display.handle(Said(target="host012", at=now, party="ssh", text="[red]hello[/red]\x1b[2J"))
            if word == "warn":
                display.handle(Warned(at=now, text="B is slow today"))
            if word == "read":
                display.handle(progress("host012", at=now, read=777_000_000_000))
            if word == "done":
                for event in done("host012"):
                    display.handle(event)
            if word == "end":
                break


if __name__ == "__main__":
    main(int(sys.argv[1]), "-v" in sys.argv)
