"""Plays every cell of the fault matrix, one after the other, and prints the table: `make matrix`.

With words, only the cells whose title has all of them, and another limit for a run that hangs with `--limit=SECONDS`:
`table.py --limit=60 "borg on T" create`. Ends with 1 when anything is not as it should be; how each cell ended is on
stderr, as it happens.
"""

import contextlib
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "scripts"), str(ROOT)]

from faults.cells import STEPS, Cell, cell, cells, rows  # noqa: E402
from faults.judge import in_words, problems_of  # noqa: E402
from faults.play import LIMIT_SECONDS, play  # noqa: E402
from faults.stage import Stage, stage  # noqa: E402


class Theatre:
    """Stages for the cells: a stage is kept until something went wrong on it."""

    def __init__(self) -> None:
        self._stages: dict[bool, tuple[Stage, contextlib.ExitStack]] = {}

    def stage_for(self, wanted: Cell) -> Stage:
        if wanted.walled not in self._stages:
            stack = contextlib.ExitStack()
            self._stages[wanted.walled] = (stack.enter_context(stage(walled=wanted.walled)), stack)
        return self._stages[wanted.walled][0]

    def strike(self, walled: bool) -> None:
        """Take a stage down, if there is one."""
        if walled in self._stages:
            self._stages.pop(walled)[1].close()

    def close(self) -> None:
        self.strike(False)
        self.strike(True)


def shown(theatre: Theatre, wanted: Cell, limit: float) -> tuple[str, list[str]]:
    """Play a cell; return what stands in the table, and the problems."""
    try:
        ending = play(theatre.stage_for(wanted), wanted, limit=limit)
    except AssertionError as error:
        theatre.strike(wanted.walled)
        print(f"{wanted.title}: not played: {error}", file=sys.stderr, flush=True)
        return "**not played**", [f"{wanted.title}: {error}"]
    problems = problems_of(ending)
    if problems:
        theatre.strike(wanted.walled)
    said = f"{wanted.title}: {in_words(ending)}; then {ending.next_seconds:.0f} s; {ending.said}"
    print(said, *problems, sep="\n  ", file=sys.stderr, flush=True)
    return in_words(ending), problems


def main(arguments: list[str]) -> int:
    words = [each for each in arguments if not each.startswith("--limit=")]
    limit = next((float(each.partition("=")[2]) for each in arguments if each not in words), LIMIT_SECONDS)
    chosen = [each for each in cells() if all(word in each.title for word in words)]
    said: dict[Cell, str] = {}
    problems: list[str] = []
    with contextlib.closing(Theatre()) as theatre:
        for each in chosen:
            said[each], wrong = shown(theatre, each, limit)
            problems += wrong
    print(f"| struck | by | {' | '.join(STEPS)} |\n{'|---' * (len(STEPS) + 2)}|")
    for victim, fault in rows():
        if any((each.victim, each.fault) == (victim, fault) for each in chosen):
            row = [said.get(found, "") if (found := cell(victim, fault, step)) else "-" for step in STEPS]
            print(f"| {victim} | {fault} | {' | '.join(row)} |")
    return 1 if problems else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the stages are taken down
    sys.exit(main(sys.argv[1:]))
