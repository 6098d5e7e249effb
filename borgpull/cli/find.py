"""`borgpull find PATTERN [NAME...]`: which archives of which targets hold a path."""

from __future__ import annotations

from pathlib import Path

from plumbum import cli

from .. import fleet, restore
from ..config import Config, Target
from ..errors import Problem, plural
from ..results import Closed, Found, FoundFiles, Trouble, dumps
from ..ui import archives as ui
from ..ui import console
from ..ui.console import message_lines, message_note, problem_lines
from .base import AnsweringCommand, whole_number
from .exit_codes import DONE, FAILED, OF_FIND, TAMPERED, WARNINGS

_MOST_ARCHIVES = 100_000
_LIST = '"found": ['


class Find(AnsweringCommand):
    """PATTERN is a path such as `/etc/nginx`, the name of a file or folder anywhere (`nginx.conf`), a glob of either,
    or a pattern of borg's (`re:`, `sh:`, `fm:`). borg on this machine reads the newest archives of each target, the
    newest first, some seconds for each; what it finds is printed at once. No target is contacted, and nothing is
    changed.
    """

    EXIT_CODES = OF_FIND
    last = cli.SwitchAttr(
        ["--last"],
        whole_number("--last", 1, _MOST_ARCHIVES),
        default=10,
        argname="N",
        help="how many archives of each target to read, and of each of its streams; default: 10",
    )
    every = cli.Flag(["--all"], excludes=["--last"], help="read all archives: that can take hours")

    def main(self, pattern: str, *names: str) -> int:
        wanted = restore.pattern_of(pattern)

        async def work(directory: Path, config: Config, targets: tuple[Target, ...]) -> int:
            search = _Search(wanted, as_json=self.json)
            try:
                await fleet.find(
                    config,
                    targets,
                    wanted,
                    last=0 if self.every else self.last,
                    directory=directory,
                    cache=self.cache(),
                    emit=self.on_event,
                    on_found=search.on_found,
                    on_read=search.on_read,
                    on_problem=search.on_problem,
                )
                search.complete = not search.problems
            finally:
                search.end()
            return search.code

        return self.about_selected(names, work)


class _Search:
    """What was found so far: printed as it comes, with the progress on a terminal's stderr."""

    def __init__(self, pattern: str, *, as_json: bool) -> None:
        self.complete = False
        self.problems: list[Trouble] = []
        self._pattern = pattern
        self._as_json = as_json
        self._output = console.Output(for_programs=as_json)
        self._progress = ui.Progress()
        self._found = self._read = 0
        self._closed = False
        if as_json:
            self._output.write(self._report().partition(_LIST)[0] + _LIST)

    def on_found(self, found: Found) -> None:
        self._progress.end()
        comma = "," if self._found else ""
        self._output.write(f"{comma}\n    {dumps(found)}" if self._as_json else f"{ui.found_line(found)}\n")
        self._found += 1

    def on_read(self) -> None:
        self._read += 1
        self._progress.show(f"{plural(self._read, 'archive')} read, {plural(self._found, 'file')} found …")

    def on_problem(self, problem: Problem | Closed) -> None:
        self._progress.end()
        if isinstance(problem, Closed):
            self._closed = True
            message_lines(ui.closed_lines(problem))
        else:
            self.problems.append(Trouble(party=problem.party, cause=problem.cause, hint=problem.hint))
            message_lines(problem_lines(problem))

    @property
    def code(self) -> int:
        found = DONE if self._found else WARNINGS
        return TAMPERED if self._closed else FAILED if self.problems else found

    def end(self) -> None:
        """End the answer; interrupted, it has all that was found. Raises Failure when stdout takes it not."""
        self._progress.end()
        if self._as_json:
            self._output.write(("\n  " if self._found else "") + self._report().partition(_LIST)[2] + "\n")
        else:
            where = f"in {plural(self._read, 'archive')}"
            message_note(f"{plural(self._found, 'file')} found {where}" if self._found else f"not found {where}")
        self._output.close()

    def _report(self) -> str:
        problems = tuple(self.problems)
        report = FoundFiles(pattern=self._pattern, read=self._read, complete=self.complete, problems=problems)
        return report.text
