"""What doctor and status found, as people and programs get it."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from borgpull.errors import BACKUP_SERVER, CONTROLLER, target_party
from borgpull.results import Examined, Finding, GoodArchive, Mark, State, StatusReport, TargetStatus, Trouble
from borgpull.ui import console
from borgpull.ui.doctor import doctor_lines
from borgpull.ui.status import status_lines

DOCS = Path(__file__).parents[2] / "docs"
DOCTOR = jsonschema.Draft202012Validator(json.loads((DOCS / "doctor.schema.json").read_text(encoding="utf-8")))
STATUS = jsonschema.Draft202012Validator(json.loads((DOCS / "status.schema.json").read_text(encoding="utf-8")))
NOW = 1_790_000_000.0
HOSTILE = "\x1b[2J[bold]x[/bold]\n\u202eevil" + "y" * 2000

FINDINGS = (
    Finding(party=CONTROLLER, what="borg", mark=Mark.OK, detail="1.2.4"),
    Finding(party=CONTROLLER, what="swap", mark=Mark.WARNING, detail="not encrypted", hint="swapoff -a"),
    Finding(party=BACKUP_SERVER, what="connect", mark=Mark.OK),
    Finding(party=BACKUP_SERVER, what="path", mark=Mark.NOTE, detail="a link"),
    Finding(party=target_party("web"), what="borg", mark=Mark.OK, detail="1.4.5"),
    Finding(party=target_party("web"), what="ledger", mark=Mark.NOTE, detail="at work"),
    Finding(party=target_party("mail"), what="borg", mark=Mark.FAILED, detail=HOSTILE, hint="apt install borgbackup"),
    Finding(party=target_party("mail"), what="ledger", mark=Mark.UNSEEN),
)
GOOD = TargetStatus(
    target="web",
    state=State.OK,
    ledger="clean",
    last=GoodArchive(name="snapshot-1", started=NOW - 3600, age=3600.0),
    archives=7,
    size=1_200_000_000,
    growth=-3_400_000,
    free=5_000_000_000,
    checked=NOW - 86400 * 2,
)
TAMPERED = TargetStatus(
    target="mail",
    state=State.TAMPERED,
    ledger="closed",
    at_work="c1",
    cause="its repository was tampered with",
    findings=("1 archive vanished: a", HOSTILE),
    hint="`borgpull rollback mail`",
)
STALE = TargetStatus(
    target="db", state=State.STALE, last=GoodArchive(name="s", started=NOW - 99999, age=99999.0), cause="old"
)


def shown(parts, environ=None) -> list[str]:
    out = io.StringIO()
    screen = console.console_on(out, environ or {})
    screen.width = 10_000
    for part in parts:
        screen.print(part)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def status(*targets):
    return StatusReport(at=NOW, max_age=93600, targets=targets)


def test_doctor_has_a_list_for_c_and_b_and_a_row_for_each_target():
    lines = shown(doctor_lines(FINDINGS))
    assert lines[:8] == [
        "controller (this machine)",
        "  ✓ ok      borg        1.2.4",
        "  ! warn    swap        not encrypted",
        "                        hint: swapoff -a",
        "",
        "backup server",
        "  ✓ ok      connect",
        "  · note    path        a link",
    ]
    assert [line.split() for line in lines[9:12]] == [
        ["target", "borg", "ledger"],
        ["web", "✓", "1.4.5", "·", "note"],
        ["mail", "✗", "no", "–"],
    ]
    assert lines[13] == "note: target web: ledger: at work"
    assert lines[14].startswith("error: target mail: �[2J[bold]x[/bold] �evil")
    assert len(lines[14]) < 600
    assert lines[15:] == ["hint: apt install borgbackup", "1 of 2 targets would be backed up, 1 warning"]


def test_when_c_or_b_is_at_fault_nothing_would_be_backed_up():
    cross = Finding(party=BACKUP_SERVER, what="shell", mark=Mark.FAILED, detail="no shell", hint="give it one")
    assert shown(doctor_lines((*FINDINGS[:3], cross, *FINDINGS[4:])))[-1] == (
        "nothing would be backed up: see the backup server, 1 warning"
    )


def test_status_sums_it_up_in_its_first_line_and_says_what_to_do_about_each():
    lines = shown(status_lines(status(GOOD, TAMPERED, STALE)))
    assert lines[0] == "CRITICAL: 1 tampered (mail), 1 stale (db), 1 target ok"
    assert [re.split(r"\s{2,}", line.strip()) for line in lines[1:4]] == [
        ["target", "state", "last good", "archives", "size", "growth", "free", "checked", "ledger"],
        ["web", "ok", "1h00m ago", "7", "1.2 GB", "-3.4 MB", "5.0 GB", "2d00h ago", "clean"],
        ["mail", "tampered", "never", "never", "closed, at work"],
    ]
    assert lines[5:7] == [
        "error: target mail: its repository was tampered with",
        "found: 1 archive vanished: a",
    ]
    assert lines[8:] == ["hint: `borgpull rollback mail`", "warning: target db: old: 1d03h old, more than 1d02h"]


def test_a_late_stream_is_not_told_with_the_age_of_the_source_paths():
    lines = shown(status_lines(status(replace(STALE, last=GOOD.last))))
    assert lines[-1] == "warning: target db: old"


def test_many_that_are_wrong_are_named_as_far_as_a_monitor_shows_them():
    many = [TargetStatus(target=f"t{number}", state=State.STALE) for number in range(9)]
    assert shown(status_lines(status(*many)))[0] == "WARNING: 9 stale (t0, t1, t2, t3, t4 and 4 more)"


def test_a_backup_server_that_cannot_be_asked_is_one_line_too():
    error = Trouble(party=BACKUP_SERVER, cause="the connection was refused", hint="check Host")
    lines = shown(status_lines(replace(status(), error=error)))
    assert lines == ["UNKNOWN: backup server: the connection was refused", "hint: check Host"]


@pytest.mark.parametrize("parts", [doctor_lines(FINDINGS), status_lines(status(GOOD, TAMPERED))])
def test_colour_takes_nothing_away_and_nothing_of_others_moves_the_cursor(parts):
    plain = shown(parts, {"FORCE_COLOR": "1", "NO_COLOR": "1"})
    coloured = shown(parts, {"FORCE_COLOR": "1"})
    assert any("\x1b[" in line for line in coloured)
    assert all(line.isprintable() for line in plain)
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in coloured] == plain


def test_reports_are_those_of_the_published_schemas():
    report = json.loads(Examined(findings=FINDINGS).text)
    DOCTOR.validate(report)
    assert report["outcome"] == "failed"
    assert [finding["party"] for finding in report["findings"][::2]] == ["C", "B", "T web", "T mail"]
    told = json.loads(StatusReport(at=NOW, max_age=60, targets=(GOOD, TAMPERED, STALE)).text)
    STATUS.validate(told)
    assert told["level"] == "critical"
    assert told["targets"][0]["last_archive"] == {"name": "snapshot-1", "start": "2026-09-21T13:13:20.000Z"}
    trouble = Trouble(party=BACKUP_SERVER, cause="refused", hint="check Host")
    lost = json.loads(StatusReport(at=NOW, max_age=60, error=trouble).text)
    STATUS.validate(lost)
    assert (lost["level"], lost["error"]) == ("unknown", {"party": "B", "cause": "refused", "hint": "check Host"})


def test_a_report_that_breaks_its_promise_is_found():
    report = json.loads(Examined(findings=FINDINGS).text)
    report["findings"][0]["mark"] = "fine"
    assert not DOCTOR.is_valid(report)
    told = json.loads(StatusReport(at=NOW, max_age=60, targets=(GOOD,)).text)
    told["targets"][0]["surprise"] = 1
    assert not STATUS.is_valid(told)
