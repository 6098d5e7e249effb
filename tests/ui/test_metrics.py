"""The textfile for Prometheus: read by a real parser, right over many runs; it names targets and says no more."""

import os
import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from random_events import any_events
from scenes import START, board_of, done, failed, small_run, tampered

from borgpull.events import Outcome, RunFinished, RunStarted, Warned
from borgpull.ui import metrics

NAMES = ("web1", "web2", "db1")
ODD = ('back\\slash "quoted"', "Größe 備份 🐢", "\\n", "{a=b},#", "a\\", "x")


def parsed(text: str) -> dict[tuple[Any, ...], float]:
    """Return each sample by its name, the target, and its other label."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {(s.name.removeprefix("borgpull_"), *s.labels.values()): s.value for s in samples}
    assert len(found) == len(samples), "the same series twice: Prometheus refuses the file"
    return found


def after(events, *, names=NAMES, code=0, previous="") -> str:
    return metrics.text(board_of(events), targets=names, exit_code=code, previous=previous)


def run_of(*parts, at=START, names=NAMES, outcome=Outcome.DONE):
    ends = RunFinished(at=at + 192, outcome=outcome)
    return [RunStarted(targets=names, jobs=2, at=at), *(event for part in parts for event in part), ends]


def test_a_run_is_told_in_base_units():
    found = parsed(after(small_run(), code=2))
    assert found["target_last_success_timestamp_seconds", "web1"] == START + 192
    assert found["target_last_success_timestamp_seconds", "web2"] == START + 192, "with warnings it was backed up"
    assert found["target_last_success_timestamp_seconds", "db1"] == 0, "old enough to be noticed"
    assert found["target_last_run_timestamp_seconds", "db1"] == START + 2
    assert found["target_duration_seconds", "web1"] == 192
    assert found["target_original_size_bytes", "web1"] == 1_200_000_000
    assert found["target_deduplicated_size_bytes", "web1"] == 3_400_000
    assert found["target_files", "web1"] == 4321
    assert found["target_warnings", "web2"] == 1
    assert ("target_files", "db1") not in found
    assert (found["run_exit_code",], found["run_targets",], found["run_duration_seconds",]) == (2, 3, 192)


def test_outcome_and_verdict_are_state_sets():
    found = parsed(after(run_of(done("web1"), failed("web2"), tampered("db1"), outcome=Outcome.TAMPERED)))
    for name, outcome, verdict in (
        ("web1", "done", "clean"),
        ("web2", "failed", "none"),
        ("db1", "tampered", "tampered"),
    ):
        for label, state in (("outcome", outcome), ("verdict", verdict)):
            states = {key[2]: value for key, value in found.items() if key[:2] == (f"target_{label}", name)}
            assert states.pop(state) == 1
            assert set(states.values()) == {0}
            assert len(states) == {"outcome": 10, "verdict": 3}[label]


def test_the_last_success_outlives_a_run_that_fails_and_one_that_never_came_to_the_target():
    good = after(run_of(done("web1"), done("web2"), done("db1")))
    bad = after(run_of(failed("web1", at=START + 9000), at=START + 9000), previous=good)
    found = parsed(bad)
    assert found["target_last_success_timestamp_seconds", "web1"] == START + 192
    assert found["target_files", "web1"] == 4321
    assert found["target_last_run_timestamp_seconds", "web1"] == START + 9002
    assert found["target_outcome", "web1", "failed"] == 1
    assert found["target_outcome", "web2", "not-started"] == 1
    assert found["target_last_success_timestamp_seconds", "web2"] == START + 192
    again = parsed(after(run_of(done("web1", at=START + 18000), at=START + 18000), previous=bad))
    assert again["target_last_success_timestamp_seconds", "web1"] == START + 18192


def test_what_a_run_did_not_choose_stays_and_what_left_the_config_goes():
    good = after(run_of(done("web1"), done("web2"), failed("db1"), outcome=Outcome.FAILED))
    alone = run_of(done("web1", at=START + 9000), at=START + 9000, names=("web1",))
    found, before = parsed(after(alone, names=("web1", "db1"), previous=good)), parsed(good)
    assert {key: value for key, value in found.items() if "db1" in key} == {
        key: value for key, value in before.items() if "db1" in key
    }
    assert not [key for key in found if "web2" in key]
    assert found["run_targets",] == 1


@pytest.mark.parametrize("name", ODD)
def test_odd_names_arrive_whole_and_are_known_again(name):
    good = after(run_of(done(name), names=ODD), names=ODD)
    again = parsed(after(run_of(failed(name, at=START + 9000), names=ODD), names=ODD, previous=good))
    assert again["target_last_success_timestamp_seconds", name] == START + 192
    assert {key[1] for key in again if key[0].startswith("target_")} == set(ODD)


@given(any_events, st.lists(st.text(min_size=1, max_size=20), unique=True, max_size=4), st.text())
def test_whatever_happens_the_file_is_one_that_prometheus_reads(events, names, previous):
    text = after(events, names=names, previous=previous)
    found = parsed(text)
    assert {key[1] for key in found if key[0].startswith("target_")} == set(names)
    assert parsed(after([], names=names, previous=text + text)).keys() >= {
        key for key in found if key[0].startswith("target_")
    }


@given(st.data())
def test_a_file_cut_off_or_damaged_does_no_harm(data):
    good = after(run_of(done("web1"), done("web2"), done("db1")))
    damaged = good[: data.draw(st.integers(0, len(good)))] + data.draw(st.text(alphabet='a0"{},\\\n =', max_size=20))
    found = parsed(after(run_of(failed("web1"), names=NAMES), previous=damaged))
    assert found["target_last_success_timestamp_seconds", "web1"] >= 0


def test_nothing_that_a_host_said_is_in_it():
    warned = Warned(target="web1", at=START + 5, text="/etc/shadow: permission denied", hint="run as root on web1")
    text = after([*run_of(done("web1"), failed("web2"), tampered("db1")), warned])
    for word in ("shadow", "refused", "sshd", "2026-11", "abab"):
        assert word not in text


@pytest.mark.slow
def test_promtool_finds_nothing_to_say(tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        assert not os.environ.get("CI"), "there is no promtool: apt install prometheus"
        pytest.skip("there is no promtool: apt install prometheus")
    text = after(small_run() + run_of(*map(done, ODD), names=ODD), names=(*NAMES, *ODD), code=2)
    done_ = subprocess.run([promtool, "check", "metrics"], input=text.encode(), capture_output=True, check=False)
    assert (done_.returncode, done_.stdout, done_.stderr) == (0, b"", b"")
