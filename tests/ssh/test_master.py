"""A master over a real sshd: what it leaves on the disk, what it says when it fails, and what its sessions do."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from borgpull import process, ssh
from borgpull.config import Connection, Host
from borgpull.errors import Failure
from lab import Lab, Spot, lab_running, processes
from support.connecting import failure_to
from support.reading import until

BANNER = "All that you do here is written down.\n" * 4000


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    """A plain host, one that allows one session at a time, one whose shell talks, and one with a long banner."""
    banner = tmp_path_factory.mktemp("sshd") / "banner"
    banner.write_text(BANNER)
    noise = 'ForceCommand echo Welcome; printf "no line end"; exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'
    spots = [
        Spot(name="narrow", sshd_lines=("MaxSessions 1",)),
        Spot(name="noisy", sshd_lines=(noise,)),
        Spot(name="wordy", sshd_lines=(f"Banner {banner}",)),
        Spot(name="closed", sshd_lines=("AllowTcpForwarding no",)),
        Spot(name="dumb", sshd_lines=("ForceCommand echo This account is for mail only.",)),
    ]
    with lab_running(Spot(name="plain"), spots) as made:
        yield made


def connection(lab: Lab, name: str = "plain") -> Connection:
    return lab.host(name).connection()


def master_to(where: Connection, memory: Path, on_output=lambda line: None):
    return ssh.open_master(where, party="T web", directory=memory, on_output=on_output)


def test_keys_are_gone_once_it_is_up_and_all_is_gone_when_it_ends(lab, memory):
    where = connection(lab)

    async def look() -> tuple[list[str], int]:
        async with master_to(where, memory) as master:
            return sorted(place.name for place in memory.rglob("*") if not place.is_dir()), master.pid

    files, pid = asyncio.run(look())
    assert files == ["ctl"]
    assert list(memory.iterdir()) == []
    assert not Path(f"/proc/{pid}").exists()


def test_all_is_gone_when_what_uses_it_crashes(lab, memory):
    async def crash() -> None:
        async with master_to(connection(lab), memory) as master, ssh.session(master, process.Command("cat")):
            raise RuntimeError(str(master.pid))

    with pytest.raises(RuntimeError) as crashed:
        asyncio.run(crash())
    assert list(memory.iterdir()) == []
    assert not Path(f"/proc/{crashed.value}").exists()
    assert processes.mentioning(str(memory)) == []


def stranger(lab: Lab) -> str:
    return lab.targets[0].host.host_key.public


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ("{name} {stranger}", "not the one in KnownHost"),
        ("elsewhere {own}", "host key is not in KnownHost"),
        ("", "host key is not in KnownHost"),
        ("@revoked {name} {own}\n{name} {own}", "marked as revoked"),
    ],
)
def test_a_host_key_that_is_not_the_pinned_one_is_refused(lab, memory, known, words):
    where = connection(lab)
    text = known.format(name=f"[127.0.0.1]:{where.host.port}", own=lab.server.host_key.public, stranger=stranger(lab))
    failure = failure_to(where.model_copy(update={"known_host": text + "\n"}), memory)
    assert words in failure.cause
    assert failure.hint != ""


def test_keys_and_hosts_of_the_user_are_not_used(lab, memory, tmp_path, monkeypatch):
    # All of it would open the host: a config, a key, an agent, a known_hosts file.
    where = connection(lab)
    home = tmp_path / ".ssh"
    home.mkdir()
    (home / "id_ed25519").write_text(lab.server.key.private)
    (home / "id_ed25519").chmod(0o600)
    (home / "known_hosts").write_text(where.known_host)
    (home / "config").write_text(f"Host *\n  IdentityFile {home}/id_ed25519\n  StrictHostKeyChecking no\n")
    monkeypatch.setattr(process, "_home", lambda: str(tmp_path))
    agent = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", agent], stdout=subprocess.DEVNULL) as running:
        until(agent.exists, process=running, seconds=10)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        subprocess.run(["ssh-add", "-q", home / "id_ed25519"], check=True)
        other = lab.targets[0].host.key.private
        refused = failure_to(where.model_copy(update={"private_key": SecretStr(other)}), memory)
        unknown = failure_to(where.model_copy(update={"known_host": ""}), memory)
        running.terminate()
    assert "refused the key" in refused.cause
    assert "not in KnownHost" in unknown.cause


def test_a_name_that_cannot_be_resolved_is_said(lab, memory):
    failure = failure_to(connection(lab).model_copy(update={"host": Host("host.invalid", 22)}), memory)
    assert "cannot be resolved" in failure.cause


def test_a_port_on_which_nobody_listens_is_said(lab, memory):
    failure = failure_to(connection(lab).model_copy(update={"host": Host("127.0.0.1", 1)}), memory)
    assert "connection was refused" in failure.cause


def test_a_host_that_talks_and_talks_does_not_stop_us(lab, memory):
    # Who leaves the stderr of ssh unread hangs at 64 KiB.
    on_output = []

    async def ask() -> bytes:
        async with master_to(connection(lab, "wordy"), memory, on_output.append) as master:
            return (await ssh.execute(master, "echo here", seconds=10)).stdout

    assert asyncio.run(ask()) == b"here\n"
    assert "All that you do here is written down." in on_output


def test_a_command_gets_its_arguments_and_input_and_gives_its_output_and_status(lab, memory):
    arguments = ("two words", "$(id)", "", "-n", "line\nbreak", "'\"\\", "naïve 🐢")

    async def ask() -> process.Completed:
        async with master_to(connection(lab), memory) as master:
            script = 'printf "%s|" "$@"; cat; echo oops >&2; exit 7'
            return await ssh.execute(master, script, *arguments, stdin=b"\0in", seconds=10)

    done = asyncio.run(ask())
    assert done.stdout == "".join(f"{argument}|" for argument in arguments).encode() + b"\0in"
    assert (done.returncode, done.stderr) == (7, b"oops\n")


def test_what_a_shell_prints_before_a_command_is_left_out(lab, memory):
    async def ask() -> bytes:
        async with master_to(connection(lab, "noisy"), memory) as master:
            return (await ssh.execute(master, "echo here", seconds=10)).stdout

    assert asyncio.run(ask()) == b"here\n"


def execute_fails(lab: Lab, memory: Path, name: str, script: str, seconds: float) -> Failure:
    async def ask() -> None:
        async with master_to(connection(lab, name), memory) as master:
            await ssh.execute(master, script, seconds=seconds)

    with pytest.raises(Failure) as failed:
        asyncio.run(ask())
    return failed.value


def test_an_account_without_a_shell_is_said(lab, memory):
    failure = execute_fails(lab, memory, "dumb", "echo here", 10)
    assert "no shell" in failure.cause
    assert "`command=`" in failure.hint


def test_a_command_that_does_not_end_is_given_up(lab, memory):
    failure = execute_fails(lab, memory, "plain", "cat; exec sleep 5", 0.5)
    assert "did not end" in failure.cause
    assert failure.transient


def test_a_file_that_its_user_misses_is_not_taken_for_a_missing_ssh(lab, memory):
    async def use() -> None:
        async with master_to(connection(lab, "plain"), memory):
            (memory / "no such file").read_bytes()

    with pytest.raises(FileNotFoundError, match="no such file"):
        asyncio.run(use())


def test_a_session_that_is_refused_is_said_and_opens_no_connection_behind_our_back(lab, memory):
    log = next(t.host for t in lab.targets if t.name == "narrow").directory / "sshd.log"

    async def ask() -> None:
        async with (
            master_to(connection(lab, "narrow"), memory) as master,
            ssh.session(master, process.Command("cat"), stdin=subprocess.PIPE) as first,
        ):
            await first.write(b"x\n")
            assert await first.stdout.readline() == b"x\n"
            await ssh.execute(master, "echo second", seconds=10)

    with pytest.raises(Failure, match="refused another session") as failed:
        asyncio.run(ask())
    assert "MaxSessions" in failed.value.hint
    assert log.read_text().count("Accepted publickey") == 1


def test_a_script_may_answer_while_it_reads(lab, memory):
    async def ask() -> process.Completed:
        async with master_to(connection(lab), memory) as master:
            return await ssh.execute(master, "cat", stdin=bytes(8_000_000), seconds=60, most=9_000_000)

    done = asyncio.run(ask())
    assert (done.returncode, len(done.stdout), done.truncated) == (0, 8_000_000, False)


def test_a_refused_forward_is_said_with_the_settings_that_allow_it(lab, memory):
    async def ask() -> None:
        async with master_to(connection(lab, "closed"), memory) as master:
            await master.forward_remote(f"/tmp/borgpull-test-{master.pid}", memory / "nobody")

    with pytest.raises(Failure, match="refuses to forward") as failed:
        asyncio.run(ask())
    assert "AllowTcpForwarding" in failed.value.hint


def break_and_ask(lab: Lab, memory: Path) -> tuple[int, Failure | None, Failure | None]:
    async def ask() -> tuple[int, Failure | None, Failure | None]:
        async with (
            master_to(connection(lab), memory) as master,
            ssh.session(master, process.Command("cat"), stdin=subprocess.PIPE) as child,
        ):
            await child.write(b"x\n")
            assert await child.stdout.readline() == b"x\n"
            before = await master.lost()
            listener = lab.server.pid
            held = Path(f"/proc/{listener}/task/{listener}/children").read_text()
            processes.end([int(pid) for pid in held.split()])
            return await child.wait(10), before, await master.lost()

    return asyncio.run(ask())


def test_a_connection_that_breaks_is_said_and_ends_its_sessions(lab, memory):
    status, before, after = break_and_ask(lab, memory)
    assert status == ssh.SSH_FAILED
    assert before is None
    assert after is not None
    assert "closed the connection" in after.cause
    assert list(memory.iterdir()) == []


def test_what_a_master_printed_last_is_waited_for(lab, memory, monkeypatch):
    read_lines = process.lines

    async def late(stream, **bounds):
        async for line in read_lines(stream, **bounds):
            await asyncio.sleep(0.2)
            yield line

    monkeypatch.setattr(process, "lines", late)
    _, _, after = break_and_ask(lab, memory)
    assert after is not None
    assert "closed the connection" in after.cause
