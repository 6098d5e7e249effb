"""[Notify] in real runs: a monitor on this machine, and a command that gets the report."""

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgpull.fleet import shard_of
from support import World, secrets_of
from support.monitor import Monitor, monitor_running
from support.reading import events, move, nobody_listens, only, until


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    with monitor_running() as running:
        yield running


def telling(world: World, monitor: Monitor, *names: str, command: str = "") -> dict:
    config = only(world.lab.config(), *names)
    config["Borg"]["Retries"] = 0
    return config | {"Notify": {"Ping": monitor.url} | ({"OnFinish": command} if command else {})}


def failing(world: World, config: dict, name: str) -> dict:
    move(config, name, nobody_listens(), world.target(name).host.host_key.public)
    return config


def test_a_run_and_its_end_are_told_and_the_command_gets_the_report(world, monitor, tmp_path):
    config = telling(world, monitor, "web", command=f"cat >{tmp_path}/report")
    result = world.run("--json", config=config)
    assert result.returncode == 0, result.stderr
    assert monitor.paths == ["/ping/0a1b-secret/start", "/ping/0a1b-secret"]
    body = monitor.heard[1].body
    assert body.startswith("exit code 0: 1 target: 1 done, ")
    assert not [secret for secret in secrets_of(world.lab) if secret in body.encode()]
    assert not [word for word in ("web", str(world.target("web").source), "snapshot") if word in body]
    assert json.loads((tmp_path / "report").read_text()) == json.loads(result.stdout)
    assert "secret" not in result.stderr + result.stdout


def test_a_failure_is_told_by_its_exit_code_and_without_a_name(shared_world, monitor, tmp_path):
    config = failing(
        shared_world, telling(shared_world, monitor, "web", command=f"cat >{tmp_path}/report; exit 7"), "web"
    )
    result = shared_world.run(config=config)
    assert result.returncode == 2
    assert monitor.paths[1:] == ["/ping/0a1b-secret/2"]
    assert monitor.heard[1].body.startswith("exit code 2: 1 target: 1 failed, ")
    assert "web" not in monitor.heard[1].body
    assert json.loads((tmp_path / "report").read_text())["outcome"] == "failed"
    assert "warning: the command of [Notify] OnFinish failed: exit 7" in result.stderr


def test_a_monitor_that_is_down_and_a_command_that_fails_change_no_exit_code(shared_world, monitor):
    config = telling(shared_world, monitor, "mail", command="exit 1")
    other = next(index for index in range(2) if index != shard_of("mail", 2))
    config["Notify"]["Ping"] = f"http://{nobody_listens()}/0a1b-secret"
    result = shared_world.run("--shard", f"{other}/2", config=config)
    assert result.returncode == 0, result.stderr
    assert "the command of [Notify] OnFinish failed: exit 1" in result.stderr
    assert "the ping of [Notify] Ping that reports the end of the run failed: Connection refused" in result.stderr
    assert "0a1b-secret" not in result.stderr


def test_each_shard_may_have_a_check_of_its_own(shared_world, monitor):
    config = telling(shared_world, monitor, "web")
    config["Notify"]["Ping"] += "-{shard}"
    config["Borg"]["Server"]["BorgPath"] = "/nowhere/borg"
    shared_world.run("--shard", "5/7", config=config)
    assert {path.split("/")[2] for path in monitor.paths} == {"0a1b-secret-5"}


def test_a_wrong_command_line_is_told_and_a_run_by_hand_tells_nobody(shared_world, monitor, tmp_path):
    config = telling(shared_world, monitor, "web", command=f"touch {tmp_path}/told")
    assert shared_world.run("--only", "wbe", config=config).returncode == 4
    assert monitor.paths == ["/ping/0a1b-secret/start", "/ping/0a1b-secret/4"]
    result = shared_world.run("--no-notify", config=failing(shared_world, config, "web"))
    assert (result.returncode, len(monitor.heard)) == (2, 2)
    assert not (tmp_path / "told").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_run_that_is_interrupted_is_a_failure_to_the_monitor(shared_world, monitor, tmp_path, number, code):
    file: Path = tmp_path / "events"
    config = telling(shared_world, monitor, "web")
    # ssh never gets a word: the run stands still until it is interrupted
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"127.0.0.1:{silent.getsockname()[1]}"
        move(config, "web", endpoint, shared_world.target("web").host.host_key.public)
        with shared_world.start("--events", str(file)) as process:
            process.stdin.write(shared_world.lab.config_text(config))
            process.stdin.close()
            process.stdin = None
            until(lambda: any(each["event"] == "step_started" for each in events(file)), process=process)
            process.send_signal(number)
            process.communicate(timeout=60)
    assert process.returncode == code
    assert monitor.paths == ["/ping/0a1b-secret/start", f"/ping/0a1b-secret/{code}"]
