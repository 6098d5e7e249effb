"""The lasting session on B runs scripts, holds the lock, and frees it only when all that the run registered is gone."""

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from borgpull import process, ssh
from borgpull.errors import AtWork, Failure
from borgpull.ledger import lasting_session
from borgpull.ledger import scripts_lock as scripts
from borgpull.ssh.session import script_text
from lab import processes


def played(test):
    @functools.wraps(test)
    def play(*arguments, **named):
        asyncio.run(test(*arguments, **named))

    return play


async def until(condition, *, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


@pytest.fixture(params=["dash", "bash", "busybox"])
def shell(request, tmp_path, monkeypatch):
    """Have every script run by this shell."""
    folder = tmp_path / "bin"
    folder.mkdir()
    where = shutil.which(request.param)
    script = f'exec "{where}" {"sh " if request.param == "busybox" else ""}"$@"'
    (folder / "sh").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "sh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return request.param


async def beating_for_ever(child):
    async with ssh.beating(child):
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def session_in(folder, *, run="run one", silence=60, beats=True, patience=0, shortest=0):
    """A session without the ssh around it; yields it and its process."""

    async def lost():
        return None

    master = SimpleNamespace(party="B", lost=lost)
    mark, token = "a" * 32, f"session.{time.monotonic_ns()}"
    async with process.started(["sh"], stdin=subprocess.PIPE) as child:
        await child.write(script_text(scripts.LASTING, mark, str(folder), token, str(silence)))
        await lasting_session._wait_until_ready(master, child, mark)
        session = lasting_session.LastingSession(master, child, mark, f"{folder}/{token}")
        beat = asyncio.create_task(beating_for_ever(child)) if beats else None
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(lasting_session, "_RUN", run)
                patch.setattr(lasting_session, "LOCK_SECONDS", shortest)
                patch.setattr(lasting_session, "_LOCK_PATIENCE", patience)
                await lasting_session._lock(session, "B", str(folder), token)
            yield session, child
        finally:
            if beat:
                beat.cancel()
            child.close_stdin()
            with contextlib.suppress(TimeoutError):
                await child.wait(40)


def is_free(folder):
    left = sorted(str(place) for place in Path(folder).rglob("*"))
    return left == []


async def hanging(session, command="sleep 1000"):
    """Have a script hang in a program; return the task and the pid of the program."""
    task = asyncio.create_task(session.ask(f"sh -c 'echo $$ >{session.folder}/hangs; exec {command}'", doing="hang"))
    place = Path(session.folder, "hangs")
    await until(lambda: place.exists() and place.read_text().strip())
    return task, int(place.read_text())


def is_alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and " Z " not in stat.read_text()


@played
async def test_scripts_run_one_after_the_other_and_the_lock_goes_with_it(shell, tmp_path):
    folder = tmp_path / "led ger"
    async with session_in(folder) as (session, _):
        odd = 'it\'s "odd" $HOME `x` \\ é\n*'
        answer = await session.ask(
            'say one "$1"; cat >"$2"; part two wc -c "$2"', odd, f"{folder}/x", doing="try", stdin=b"\0\n" * 150_000
        )
        assert answer["one"].data.decode() == odd
        assert answer.text("two").split()[0] == "300000"
        answers = await asyncio.gather(*(session.ask('say n "$1"', str(n), doing="try") for n in range(5)))
        assert [answer.text("n") for answer in answers] == list("01234")
        with pytest.raises(Failure, match=r"still has the lock of this repository: .*run one, since"):
            async with session_in(folder, run="run two"):
                pass
        (folder / "x").unlink()
    assert is_free(folder)


@pytest.mark.parametrize("script", ["kill -9 $$", "part x sh -c 'kill -9 $$'", "nosuch", "set -e; false", "exit 3"])
@played
async def test_what_fails_is_a_failure_that_may_pass(shell, tmp_path, script):
    async with session_in(tmp_path / "l") as (session, _):
        with pytest.raises(Failure, match="could not try") as caught:
            await session.ask(f"{script}", doing="try")
        assert caught.value.transient
        assert (await session.ask("say more", doing="go on"))["more"].data == b""
    assert is_free(tmp_path / "l")


@played
async def test_a_session_that_is_killed_ends_what_it_began_and_frees_the_lock(shell, tmp_path):
    async with session_in(tmp_path / "l") as (session, child):
        task, pid = await hanging(session)
        child.send(signal.SIGKILL)
        with pytest.raises(Failure, match=r"exit 143|not complete"):
            await task
        with pytest.raises(Failure, match="not complete"):
            await session.ask("say x", doing="go on")
        await until(lambda: is_free(tmp_path / "l"))
        assert not is_alive(pid)


@played
async def test_a_session_that_hears_nothing_ends(shell, tmp_path):
    async with session_in(tmp_path / "l", silence=5, beats=False) as (session, child):
        task, pid = await hanging(session)
        await child.wait(30)
        await until(lambda: is_free(tmp_path / "l"))
        assert not is_alive(pid)
        task.cancel()


async def take(folder, *, shortest=0):
    """Take the lock as another run, with all patience."""
    async with session_in(folder, run="run two", patience=1000, shortest=shortest):
        pass


@contextlib.asynccontextmanager
async def showing_life(session):
    """Have the beat of a session move, more often than its controller shows that it lives."""

    async def show():
        while True:
            await session.ask("say x", doing="show life")
            await asyncio.sleep(0.1)

    task = asyncio.create_task(show())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@played
async def test_a_run_whose_beat_moves_is_at_work_and_is_not_waited_for(shell, tmp_path):
    folder = tmp_path / "l"
    async with session_in(folder) as (session, _), showing_life(session):
        with pytest.raises(AtWork, match=r"at work on this repository already: .*run one, since") as caught:
            await take(folder)
        assert not caught.value.transient
    await take(folder)


@played
async def test_a_run_that_has_ended_soon_after_is_waited_for(shell, tmp_path):
    folder = tmp_path / "l"
    async with session_in(folder) as (session, _), showing_life(session):
        second = asyncio.create_task(take(folder, shortest=1000))
        await until(lambda: len(list(folder.glob("session.*"))) == 2)
    await second


@pytest.mark.slow
@played
async def test_a_lock_whose_beat_stands_still_is_waited_for_until_it_is_void(shell, tmp_path):
    folder = tmp_path / "l"
    async with session_in(folder, silence=5, beats=False):
        await take(folder)


@pytest.mark.slow
@played
async def test_a_run_that_was_seen_to_live_and_ends_is_waited_for(shell, tmp_path):
    folder = tmp_path / "l"
    async with session_in(folder) as (session, child):
        deaf = f'{scripts.LIVES} began $$; echo "$began" >"$1/serve.$$"; trap \'\' TERM; exec sleep 1000'
        with subprocess.Popen(["sh", "-c", deaf, "sh", session.folder]) as serve:
            await until(lambda: Path(session.folder, f"serve.{serve.pid}").exists())
            collect = asyncio.create_task(asyncio.to_thread(serve.wait))
            async with showing_life(session):
                second = asyncio.create_task(take(folder, shortest=8))
                await until(lambda: len(list(folder.glob("session.*"))) == 2)
                before = Path(session.folder, "beat").read_text()
                await until(lambda: Path(session.folder, "beat").read_text() > before)
            child.close_stdin()
            await second
            await collect


@played
async def test_a_lock_whose_session_was_killed_stands_while_anything_of_it_lives(shell, tmp_path):
    folder = tmp_path / "l"
    async with session_in(folder) as (session, child):
        task, pid = await hanging(session)
        for other in (*processes.descendants(child.pid), child.pid):
            if other != pid:
                os.kill(other, signal.SIGKILL)
        task.cancel()  # what hangs holds the output open
        with pytest.raises(Failure, match="a run whose controller is silent or gone still has the lock"):
            async with session_in(folder, run="run two"):
                pass
        assert is_alive(pid)
        os.kill(pid, signal.SIGKILL)
        async with session_in(folder, run="run two", patience=20):
            pass
    assert is_free(folder)


@played
async def test_the_next_attempt_of_the_same_run_ends_what_the_last_one_left(shell, tmp_path):
    folder = tmp_path / "l"
    async with session_in(folder) as (session, child):
        task, pid = await hanging(session, 'sh -c "trap : TERM; while :; do sleep 1; done"')
        for other in (*processes.descendants(child.pid), child.pid):
            if other not in (pid, *processes.descendants(pid)):
                os.kill(other, signal.SIGKILL)
        task.cancel()
        async with session_in(folder, patience=20):
            assert not is_alive(pid)
    assert is_free(folder)


@pytest.mark.parametrize(
    ("deaf", "end"), [("", signal.SIGTERM), pytest.param("trap '' TERM;", signal.SIGKILL, marks=pytest.mark.slow)]
)
@played
async def test_the_lock_waits_for_a_serve_and_ends_one_that_stays(shell, tmp_path, deaf, end):
    folder = tmp_path / "l"
    async with session_in(folder) as (session, child):
        serve = subprocess.Popen(
            [
                "sh",
                "-c",
                f'{scripts.LIVES} began $$; echo "$began" >"$1/serve.$$"; {deaf} exec sleep 1000',
                "sh",
                session.folder,
            ]
        )
        await until(lambda: Path(session.folder, f"serve.{serve.pid}").exists())
        child.close_stdin()
        await until(lambda: Path(session.folder + ".gone").exists())
        assert not is_free(folder)
        await asyncio.to_thread(serve.wait)
        await until(lambda: is_free(folder))
    assert serve.returncode == -end


@played
async def test_a_serve_that_ended_by_itself_is_waited_for_and_one_that_hangs_is_killed(shell, tmp_path):
    async with session_in(tmp_path / "l") as (session, _):
        serve = subprocess.Popen(
            [
                "sh",
                "-c",
                f'{scripts.LIVES} began $$; echo "$began" >"$1/serve.$$"; exec sleep 1000',
                "sh",
                session.folder,
            ]
        )
        await until(lambda: Path(session.folder, f"serve.{serve.pid}").exists())
        collect = asyncio.create_task(asyncio.to_thread(serve.wait))
        assert (await session.ask(scripts.SERVE_STATE, doing="see")).text("state") in {"S", "R"}
        answer = await session.ask(f"{scripts.AWAIT_SERVE}await_serve 1 || :", doing="wait")
        assert "serving" not in answer.parts
        assert await collect == -signal.SIGKILL


@played
async def test_a_file_of_a_pid_that_came_round_again_stops_nobody(shell, tmp_path):
    folder = tmp_path / "l"
    async with session_in(folder) as (session, child):
        for other in (*processes.descendants(child.pid), child.pid):
            os.kill(other, signal.SIGKILL)
        Path(session.folder, f"serve.{os.getpid()}").write_text("1\n")
        async with session_in(folder, run="run two"):
            pass
    assert is_free(folder)


@played
async def test_a_session_that_is_renamed_as_it_ends_holds_its_lock_for_as_long_as_a_serve_of_it_lives(shell, tmp_path):
    folder = tmp_path / "l"
    serve = subprocess.Popen(["sleep", "1000"])
    try:
        for place in (folder / "lock", folder / "session.1", folder / "session.1.gone"):
            place.mkdir(parents=True)
        (folder / "lock" / "owner").write_text("session.1 somebody\n")
        began = Path(f"/proc/{serve.pid}/stat").read_text().rpartition(")")[2].split()[19]
        (folder / "session.1.gone" / f"serve.{serve.pid}").write_text(f"{began}\n")
        with pytest.raises(Failure, match="still has the lock of this repository: somebody"):
            async with session_in(folder):
                pass
    finally:
        serve.kill()
        serve.wait()
    async with session_in(folder):
        pass


@played
async def test_who_was_stopped_before_it_wrote_its_name_takes_no_lock_of_another_one(shell, tmp_path, monkeypatch):
    folder = tmp_path / "l"
    other = 'echo "session.1 somebody" >"$led/lock/owner"\n'
    before, then, after = scripts.LOCK.partition("# Whoever writes first")
    assert then
    monkeypatch.setattr(scripts, "LOCK", before + other + then + after)
    with pytest.raises(Failure, match="could not lock the ledger"):
        async with session_in(folder):
            pass
    assert (folder / "lock" / "owner").read_text() == "session.1 somebody\n"


@played
async def test_noise_before_the_session_is_left_out_and_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ssh.ScriptFailed,
        match=r"could not lock the ledger: no folder for the session: .*(Not a directory|cannot create)",
    ):
        async with session_in(tmp_path / "file" / "x"):
            pass
