"""Backs up 200 targets in one run, and 80 before it, beside three busy loops, and prints what C took: `make soak`.

Some half an hour on two cores. `table.py MANY FEW JOBS LOOPS` takes other numbers. Ends with 1 when anything is not as
it should be.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "scripts"), str(ROOT)]

from soak.fleet import Course, busy_loops, watched  # noqa: E402
from soak.judge import in_words, problems_of, problems_of_growth  # noqa: E402
from support import loopback_world  # noqa: E402

LIMIT_SECONDS = 3600.0


def main(many: int = 200, few: int = 80, jobs: int = 64, loops: int = 3) -> int:
    names = [f"t{number:03}" for number in range(many)]
    courses: list[Course] = []
    problems: list[str] = []
    with loopback_world(names, check_every="", prune_every="") as world, tempfile.TemporaryDirectory() as folder:
        for number in (few, many):
            with busy_loops(loops):
                course = watched(world, Path(folder), targets=number, jobs=jobs, seconds=LIMIT_SECONDS)
            courses.append(course)
            problems += problems_of(course)
        problems += [f"left behind: {left}" for left in world.leftovers()]
    problems += problems_of_growth(*courses)
    print(in_words(courses))
    print(*problems, sep="\n", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
