"""Runs every attack through the real transport, and prints what borgpull said and did: `make attacks`, ten minutes.

T's borg is 1.2 and 1.4 in turn; with `--both` each attack is tried with both. Before it there are two honest archives.
Ends with 1 when anything is not as it should be.
"""

import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "scripts"), str(ROOT)]

from tampering.catalogue import ATTACKS, LINGERING, NOTHING_WRITTEN, PRINTED, REFUSED  # noqa: E402
from tampering.story import Ending, told  # noqa: E402
from tampering.test_attacked import problems_of  # noqa: E402

SIDE_BY_SIDE = 4
HEAD = ("what the target's borg does", "borg", "borgpull says", "exit", "two runs later", "after `rollback`")


def row(ending: Ending) -> str:
    said = ending.told[0].partition(";")[0] if ending.told else "(nothing: it was refused)"
    later = "closed, nothing pruned" if ending.later == [3, 3] and ending.segments_kept else _exits(ending.later)
    rolled = ending.rollback == 0 or ending.code != 3
    same = f"{ending.compared} of {ending.compared} archives identical" if rolled and not ending.different else "LOST"
    if ending.code != 3:
        same = f"not needed: {same}"
    cells = (ending.attack.words, ending.version, said, str(ending.code), later, same)
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def main(shifts: Iterable[int]) -> int:
    print(f"| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|", flush=True)
    problems: list[str] = []
    for shift in shifts:
        # one exit code for each group, so that it is the run's own
        for attacks in (ATTACKS, (*NOTHING_WRITTEN, *PRINTED, *LINGERING), REFUSED):
            with tempfile.TemporaryDirectory() as folder:
                story = told(attacks, Path(folder), targets=min(SIDE_BY_SIDE, len(attacks)), shift=shift, archives=2)
            problems += _shown(story.endings)
            if set(story.after.values()) | set(story.bystander) != {0}:
                problems.append(f"an honest run went wrong: {story.after}, {story.bystander}")
    print("\n".join(problems), file=sys.stderr)
    return 1 if problems else 0


def _exits(codes: Sequence[int]) -> str:
    return "both exit with 0" if set(codes) == {0} else f"exits: {', '.join(map(str, codes))}"


def _shown(endings: Iterable[Ending]) -> list[str]:
    problems = []
    for ending in endings:
        print(row(ending), flush=True)
        problems += problems_of(ending)
    return problems


if __name__ == "__main__":
    sys.exit(main((0, 1) if "--both" in sys.argv else (0,)))
