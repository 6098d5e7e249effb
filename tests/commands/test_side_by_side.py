"""What two hosts can do at the same time is not waited for in turn, and no session is opened without need."""

import os
import signal
from collections import Counter
from collections.abc import Callable

import pytest

from lab import Spot
from support import World, loopback_world
from support.reading import script, until

VERBOSE = ("LogLevel VERBOSE",)


@pytest.fixture(scope="module")
def world():
    """A repository with its first archive; the sshd of each host says what it does."""
    server, target = Spot(name="B", sshd_lines=VERBOSE), Spot(name="web", sshd_lines=VERBOSE)
    with loopback_world((target,), server=server) as made:
        first = made.run()
        assert first.returncode == 0, first.stderr
        yield made


def said(world: World, name: str) -> str:
    return (world.lab.host(name).directory / "sshd.log").read_text(errors="replace")


def opened(world: World) -> Counter[str]:
    """Return how many sessions each host has opened so far."""
    return Counter({name: said(world, name).count("Starting session: ") for name in ("B", "web")})


def ends_well(world: World, *, stopped: int, once: Callable[[], bool]) -> None:
    """See that a run ends well whose host `stopped` answers nothing until something has happened."""
    os.kill(stopped, signal.SIGSTOP)
    with world.start() as run:
        try:
            run.stdin.write(world.lab.config_text())
            run.stdin.close()
            until(once, process=run)
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert run.wait(120) == 0, run.stderr.read()


def test_a_quiet_run_opens_no_session_that_another_one_can_replace(world):
    before = opened(world)
    done = world.run()
    assert done.returncode == 0, done.stderr
    # On B the lasting one, and one for each serve; on the target one that looks, and one with its borg.
    assert opened(world) - before == Counter({"B": 3, "web": 2})


def test_the_target_is_connected_while_the_backup_server_has_yet_to_answer(world):
    logins = said(world, "web").count("Accepted publickey")
    came = lambda: said(world, "web").count("Accepted publickey") > logins  # noqa: E731
    ends_well(world, stopped=world.lab.server.pid, once=came)


def test_the_repository_is_locked_while_the_target_has_yet_to_answer(world):
    lock = world.lab.root / ".borgpull" / "web" / "lock"
    ends_well(world, stopped=world.lab.host("web").pid, once=lock.exists)
    assert not lock.exists()


def test_a_borg_here_finds_its_serve_at_work_when_it_begins(world, tmp_path):
    marker = tmp_path / "serving"
    path = os.environ["PATH"]
    serve = script(tmp_path / "serve", f'[ "$1" != serve ] || : >{marker}\nexec borg "$@"\n')
    (tmp_path / "C").mkdir()
    # Without a serve beside it, it does not begin; the one of the target's session has been before.
    waiting = f"""PATH={path}
n=0
rm -f {marker}
until [ -e {marker} ] || [ $n -gt 1200 ]; do n=$((n + 1)); sleep 0.05; done
[ -e {marker} ] && exec borg "$@"
"""
    borg = script(tmp_path / "C" / "borg", waiting)
    config = world.lab.config()
    config["Borg"]["Server"]["BorgPath"] = serve
    done = world.run(config=config, borg=borg)
    assert done.returncode == 0, done.stderr


def test_a_target_that_cannot_be_reached_keeps_no_lock(world):
    config = world.lab.config()
    config["Borg"]["Retries"] = 0
    config["Servers"][0]["SourcePaths"] = ["/nowhere"]
    done = world.run(config=config)
    assert done.returncode == 2, done.stderr
    assert "web: connect: failed" in done.stderr
    assert not (world.lab.root / ".borgpull" / "web" / "lock").exists()
    assert world.leftovers() == []
