"""Lets each accident happen, and prints what the operator reads and what is left: `make accidents`, some six minutes.

Borg on all three hosts is 1.2 and 1.4 in turn. Ends with 1 when anything is not as it should be.
"""

import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "scripts"), str(ROOT)]

from accidents.catalogue import ACCIDENTS  # noqa: E402
from accidents.story import Ending, told  # noqa: E402
from accidents.test_accidents import problems_of  # noqa: E402

HEAD = (
    "what happens",
    "borg",
    "the operator reads",
    "exit, five nights",
    "of the two last good nights",
    "it ends with",
)
# What is of this one run: folders, and the prefix of a warning.
_OWN = re.compile(r"(?:/[\w.-]+)+/|^warning: |^held: ")


def row(ending: Ending) -> str:
    accident = ending.accident
    same = ending.compared - len(ending.lost)
    codes = ", ".join(map(str, ending.codes))
    end = f"`borgpull {' '.join(accident.command)}`" if accident.command else "by itself, when it is as it was"
    said = _OWN.sub("", _OWN.sub("", ending.read))
    cells = (accident.words, ending.version, said, codes, f"{same} of {ending.compared} archives identical", end)
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def main() -> int:
    print(f"| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|", flush=True)
    problems: list[str] = []
    for number, accident in enumerate(ACCIDENTS):
        with tempfile.TemporaryDirectory() as folder:
            ending = told(accident, Path(folder), version=("1.2", "1.4")[number % 2])
        print(row(ending), flush=True)
        problems += problems_of(ending)
    print("\n".join(problems), file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
