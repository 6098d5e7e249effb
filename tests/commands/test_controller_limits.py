"""A controller that has too little of something goes on with less, or says what is missing, once, in its own name."""

import json
import re
import shutil

import pytest

from support import World
from support.following import Run
from support.reading import report

JOBS = 2
# What most_jobs() of runtime_dir takes for so many.
ENOUGH = 104


def limited(hard: int, soft: int = 0) -> str:
    return f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft or hard}, {hard}))"


def config_of(world: World, *, jobs: int = 8, retries: int = 0) -> dict:
    config = world.lab.config()
    config["Borg"] |= {"Jobs": jobs, "Retries": retries, "ServerPatience": "0"}
    return config


def test_the_hard_limit_on_descriptors_lowers_jobs_and_is_enough_for_those(shared_world, tmp_path):
    run = Run(shared_world, config_of(shared_world), tmp_path, "--json", changed=limited(ENOUGH, soft=40))
    ended = run.end()
    assert ended.returncode == 0, ended.stderr
    assert run.events()[0]["jobs"] == JOBS
    (warning,) = report(ended)["warnings"]
    assert warning["text"] == f"there are file descriptors for {JOBS} targets at a time, not for Jobs = 8"
    assert "LimitNOFILE" in warning["hint"]
    assert {row["outcome"] for row in report(ended)["targets"]} == {"done"}
    assert not run.has("retried")


def test_doctor_says_for_how_many_targets_there_are_descriptors(shared_world):
    text = shared_world.lab.config_text(config_of(shared_world))
    with shared_world.start("doctor", "--json", changed=limited(ENOUGH)) as doctor:
        stdout, stderr = doctor.communicate(text, timeout=60)
    found = {each["what"]: each for each in json.loads(stdout)["findings"] if each["party"] == "C"}
    assert found["descriptors"]["mark"] == "warning", stderr
    assert "not for Jobs = 8" in found["descriptors"]["detail"]


@pytest.mark.parametrize("most", [16, 28])
def test_what_is_out_of_descriptors_says_that(shared_world, tmp_path, most):
    ended = Run(shared_world, config_of(shared_world), tmp_path, "--json", changed=limited(most)).end()
    assert ended.returncode == 2, ended.stderr
    assert "this run has no file descriptors left" in ended.stderr, ended.stderr
    assert "internal error" not in ended.stderr


def test_a_private_directory_that_goes_during_a_run_is_said_once(shared_world, tmp_path):
    run = Run(shared_world, config_of(shared_world, retries=2), tmp_path, "--json")
    run.until(lambda: run.has("step_started", target="web", step="inspect"))
    (directory,) = shared_world.memory.glob("borgpull-*")
    shutil.rmtree(directory)
    ended = run.end()
    assert ended.returncode == 2, ended.stderr
    failed = [event for event in run.events() if event["event"] == "failed"]
    named = [event for event in failed if str(directory) in event["cause"]]
    assert [(event["party"], event["cause"]) for event in named] == [
        ("C", f"the private directory of this run was removed: {directory}")
    ]
    assert {event["cause"] for event in failed if event not in named} <= {
        f"the same as with target {named[0]['target']}"
    }
    assert not run.has("retried")
    # What was stored there for a session that never began goes an hour later.
    stored = [left for left in shared_world.leftovers() if re.search(r"/borgpull-[0-9a-f]{16}$", left)]
    assert shared_world.leftovers() == stored
    for left in stored:
        shutil.rmtree(left.removeprefix("left: "))


def test_no_command_ends_with_a_traceback(shared_world):
    with shared_world.start("status", changed=limited(10)) as started:
        _, stderr = started.communicate(shared_world.lab.config_text(), timeout=60)
    assert started.returncode == 2
    assert "error: controller: this run has no file descriptors left" in stderr
    assert "Traceback" not in stderr
