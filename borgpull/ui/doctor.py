"""What `doctor` and `config check` found, for people: pure, returns a table and lines.

The controller and the backup server have a line for each check, targets a row each. Every mark is a word too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..errors import BACKUP_SERVER, CONTROLLER, Party, Problem, plural, the
from ..results import Checked, Finding, Mark
from ..untrusted import shown
from .console import STYLES, labelled, problem_lines, table

_MARKS = {
    Mark.OK: ("✓ ok", STYLES["done"]),
    Mark.NOTE: ("· note", ""),
    Mark.WARNING: ("! warn", STYLES["warning"]),
    Mark.FAILED: ("✗ no", STYLES["failed"]),
    Mark.UNSEEN: ("– unseen", "dim"),
}
_BY_THEMSELVES = {CONTROLLER: "controller (this machine)", BACKUP_SERVER: "backup server"}
# The one row whose finding is shown in the table of targets: the version.
_VERSION = "borg"

_ByParty = dict[str, list[Finding]]


def doctor_lines(findings: Sequence[Finding]) -> list[RenderableType]:
    by_party: _ByParty = {}
    for finding in findings:
        by_party.setdefault(finding.party, []).append(finding)
    parts: list[RenderableType] = []
    for party, title in _BY_THEMSELVES.items():
        if party in by_party:
            parts += [Text(title, style="bold"), *_listed(by_party.pop(party)), Text("")]
    if by_party:
        parts += [_side_by_side(by_party), Text("")]
    for checks in by_party.values():
        parts += _problems(checks)
    return [*parts, _last_line(findings, by_party)]


def _listed(checks: Iterable[Finding]) -> Iterator[Text]:
    for finding in checks:
        word, style = _MARKS[finding.mark]
        yield Text.assemble("  ", (f"{word:<8}", style), f"  {finding.what:<11} {shown(finding.detail)}".rstrip())
        if finding.hint:
            yield Text.assemble(" " * 24, labelled("hint", finding.hint))


def _side_by_side(by_party: _ByParty) -> Table:
    columns = ["target", *(finding.what for finding in next(iter(by_party.values())))]
    rows: list[list[str | Text]] = [
        [party.name if isinstance(party, Party) else party, *(_cell(finding) for finding in checks)]
        for party, checks in by_party.items()
    ]
    # One space between the columns: with nine of them, a name has room on a screen of 80.
    return table(columns, rows, fold=["target"], gap=1)


def _cell(finding: Finding) -> Text:
    word, style = _MARKS[finding.mark]
    if finding.mark is Mark.UNSEEN:
        return Text("–", style=style)
    if finding.mark is Mark.OK and finding.what == _VERSION:
        return Text(f"✓ {shown(finding.detail, longest=12)}", style=style)
    return Text(word, style=style)


def _problems(checks: Iterable[Finding]) -> Iterator[Text]:
    for finding in checks:
        if finding.mark not in (Mark.OK, Mark.UNSEEN):
            failed = finding.mark is Mark.FAILED
            cause = finding.detail if failed else f"{finding.what}: {finding.detail}"
            problem = Problem(finding.party, cause, finding.hint)
            yield from problem_lines(problem, "error" if failed else finding.mark)


def _last_line(findings: Sequence[Finding], by_party: _ByParty) -> Text:
    crosses = {finding.party for finding in findings if finding.mark is Mark.FAILED}
    warnings = sum(finding.mark is Mark.WARNING for finding in findings)
    aside = f", {plural(warnings, 'warning')}" if warnings else ""
    common = [party for party in _BY_THEMSELVES if party in crosses]
    if common:
        return Text(f"nothing would be backed up: see {' and '.join(map(the, common))}{aside}", style="bold")
    going = sum(party not in crosses for party in by_party)
    return Text(f"{going} of {plural(len(by_party), 'target')} would be backed up{aside}", style="bold")


def right_lines(report: Checked) -> list[Text]:
    words = f": {plural(len(report.targets), 'target')}, backed up to {shown(report.server)}"
    about = [f"{each.key} = {each.value}  # {each.source}" for each in report.settings] or report.targets
    return [Text.assemble(("ok", STYLES["done"]), words), *(Text(f"  {shown(line)}") for line in about)]
