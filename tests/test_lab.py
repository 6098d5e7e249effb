"""The lab itself: what the other tests and the demo rest on. Plain ssh and borg, no borgpull.

What takes a backup is slow: a lab in which there is none is seen in every other test. That what looks for leaks,
leftovers and differences would see them is tried always.
"""

import contextlib
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from borgpull.errors import Failure
from lab import Spot, Target, lab_running, processes
from lab.trees import differences, plant
from support import (
    World,
    borg_14,
    found_on_disk,
    loopback_world,
    needs_network_namespaces,
    network_of,
    secrets_of,
    walled_world,
    watching_for,
)
from support.reading import until


def output_of(argv: list[str], *, stdin: str = "") -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def forwarded(world: World, target: Target, *, borg: str):
    """An ssh master to T whose socket there ends in a `borg serve` on B; yields the socket's path on T."""
    there, here = target.host.temporary / "t.sock", world.memory / "c.sock"
    serve = shlex.join([borg, "serve", "--restrict-to-path", str(world.lab.root)])
    script = world.memory / "to-server"  # socat has quoting rules of its own: a path needs none
    script.write_text("#!/bin/sh\nexec " + shlex.join(world.ssh(world.lab.server, serve)) + "\n")
    script.chmod(0o700)
    relay = world.on_controller("socat", f"UNIX-LISTEN:{here}", f"EXEC:{script}")
    master = world.ssh(target.host, "-N", "-R", f"{there}:{here}", "-o", "ExitOnForwardFailure=yes")
    with subprocess.Popen(relay) as one, subprocess.Popen(master) as other:
        try:
            until(lambda: here.exists() and there.exists())
            yield there
        finally:
            other.terminate()
            one.kill()
            there.unlink(missing_ok=True)


def borg_on_target(world: World, target: Target, socket: Path, *arguments: str) -> str:
    """Run borg on T by plain ssh, through the forwarded socket. Its passphrase comes on stdin."""
    settings = [
        f"BORG_RSH=sh -c 'exec socat - UNIX-CONNECT:{socket}'",
        f"BORG_REPO=ssh://borg-server{target.repository}",
        "BORG_PASSPHRASE_FD=0",
    ]
    command = shlex.join(["env", *settings, target.host.spot.borg_path or "borg", *arguments])
    return output_of(world.ssh(target.host, command), stdin=target.passphrase + "\n")


def back_up_by_hand(world: World, target: Target, *, serve: str = "borg") -> None:
    with forwarded(world, target, borg=serve) as socket:
        borg_on_target(world, target, socket, "init", "-e", "repokey-blake2")
    with forwarded(world, target, borg=serve) as socket:
        borg_on_target(world, target, socket, "create", "::by-hand", str(target.source))


def test_hosts_are_reached_by_ssh_and_keep_borgs_files_out_of_the_real_home(world):
    for host in (world.lab.server, *(target.host for target in world.targets)):
        said = output_of(world.ssh(host, "echo $BORG_BASE_DIR $TMPDIR; id -un"))
        assert said.split() == [str(host.directory), str(host.temporary), host.user]


def test_a_host_is_refused_under_the_key_of_another(world):
    one, other = (target.host for target in world.targets)
    argv = world.ssh(one, "true")
    (world.memory / f"{one.name}.known").write_text(other.known_host.replace(str(other.port), str(one.port)))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert "has changed" in done.stderr


@pytest.mark.slow
def test_a_target_backs_up_through_a_forwarded_socket_and_its_files_come_back(world, tmp_path):
    target = world.target("web")
    back_up_by_hand(world, target)
    assert world.lab.archives(target) == ["by-hand"]
    back = world.lab.extracted(target, "by-hand", tmp_path)
    assert differences(target.source, back) == []


@pytest.mark.slow
@pytest.mark.parametrize("on_server", [False, True])
def test_borg_of_either_version_can_be_put_on_either_side(on_server, tmp_path):
    needs_network_namespaces()
    path = borg_14()
    with walled_world(["web"], borgs={"B" if on_server else "web": path}) as world:
        target = world.target("web")
        back_up_by_hand(world, target, serve=world.lab.server.spot.borg_path or "borg")
        assert differences(target.source, world.lab.extracted(target, "by-hand", tmp_path)) == []


def test_only_the_controller_reaches_anybody(walled):
    ports = {host.name: host.port for host in (walled.lab.server, *(t.host for t in walled.targets))}
    reached = {
        (origin, name)
        for origin in ("C", *ports)
        for name, port in ports.items()
        if origin != name and walled.network.reaches(origin, name, port, seconds=0.5)
    }
    assert reached == {("C", "B"), ("C", "web"), ("C", "mail")}


def test_the_walls_stand_on_the_controller_alone(walled):
    server = walled.lab.server
    walled.network.forward("C", allowed=True)
    assert walled.network.reaches("web", "B", server.port)


def test_ordinary_ports_are_written_as_ssh_keyscan_writes_them(walled):
    assert walled.lab.server.known_host.startswith("10.77.0.2 ssh-ed25519 ")
    assert walled.target("web").host.known_host.startswith("[10.77.1.2]:2222 ssh-ed25519 ")
    output_of(walled.ssh(walled.lab.server, "true"))


def test_an_ipv6_host_is_reached(tmp_path):
    with loopback_world([Spot(name="six", address="::1")]) as world:
        host = world.target("six").host
        assert host.endpoint == f"[::1]:{host.port}"
        output_of(world.ssh(host, "true"))


def test_lines_for_sshd_win_over_the_default():
    with loopback_world([Spot(name="web", sshd_lines=("AllowTcpForwarding no",))]) as world:
        argv = world.ssh(world.target("web").host, "-N", "-o", "ExitOnForwardFailure=yes", "-R", "/tmp/no:/tmp/no")
        assert subprocess.run(argv, capture_output=True, timeout=20, check=False).returncode == 255


def test_an_sshd_that_cannot_start_says_why(tmp_path):
    wrong = Spot(name="B", sshd_lines=("Nonsense yes",))
    with (
        pytest.raises(Failure, match="Bad configuration option: Nonsense"),
        lab_running(wrong, [], parent=tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_crash_leaves_no_process_and_no_directory():
    with pytest.raises(RuntimeError), loopback_world() as world:
        busy = subprocess.Popen(world.ssh(world.target("web").host, "sleep 1000 & sleep 1000"))
        until(lambda: processes.mentioning(str(world.target("web").host.temporary)))
        raise RuntimeError
    busy.wait(10)
    assert processes.mentioning(str(world.lab.directory)) == []
    assert not world.lab.directory.exists()
    assert not world.memory.exists()


def test_namespaces_are_gone_after_a_crash():
    needs_network_namespaces()
    with pytest.raises(RuntimeError), network_of(["B"]) as network:
        sleeper = subprocess.Popen([*network.prefix("B"), "sleep", "1000"])
        until(lambda: network.pids("B"))
        raise RuntimeError
    assert sleeper.wait(10) != 0
    left = output_of(["ip", "netns", "list"])
    assert not [name for name in network.namespaces.values() if name in left]


def test_leftovers_are_seen(world):
    target = world.targets[0]
    assert world.leftovers() == []
    (target.host.temporary / "forgotten.sock").touch()
    (world.lab.root / "repo" / "lock.exclusive").mkdir(parents=True)
    (world.memory / "borgpull-abc").mkdir()
    with subprocess.Popen(world.ssh(target.host, "sleep 1000")) as session:
        until(lambda: processes.mentioning(str(target.host.temporary)))
        said = "\n".join(world.leftovers(seconds=0))
        session.kill()
    for expected in ("forgotten.sock", "lock.exclusive", "borgpull-abc", "sleep 1000", "sshd: "):
        assert expected in said


def test_a_process_of_another_host_is_a_leftover_of_its_namespace(walled):
    with subprocess.Popen(walled.on_controller("sleep", "1000"), env={"PATH": os.environ["PATH"]}) as sleeper:
        until(lambda: walled.network.pids("C"))
        said = walled.leftovers(seconds=0)
        sleeper.kill()
    assert [line for line in said if "sleep 1000" in line]


@pytest.mark.parametrize("where", ["argv", "environment"])
def test_a_secret_of_a_running_process_is_seen(where):
    secret = os.urandom(8).hex()
    idle = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    argv, env = ([*idle, secret], {}) if where == "argv" else (idle, {"X": f"before {secret} after"})
    with (
        watching_for([secret.encode()]) as seen,
        subprocess.Popen(argv, env=env, stdin=subprocess.PIPE) as child,
    ):
        until(lambda: seen.leaks)
        child.communicate()
    assert seen.leaks == {sys.executable}


@pytest.mark.slow
def test_no_secret_is_seen_where_it_goes_through_a_pipe(world):
    secrets = secrets_of(world.lab)
    assert len(secrets) >= 2 + 3  # two passphrases, and at least a line of each key
    # Enough for every program to be there when the watcher comes round.
    (world.targets[0].source / "big").write_bytes(os.urandom(300_000_000))
    with watching_for(secrets) as seen:
        back_up_by_hand(world, world.targets[0])
    assert seen.leaks == set()
    assert {"borg", "ssh", "socat"} <= seen.programs
    assert found_on_disk(secrets, [world.lab.directory]) == []


def test_a_secret_on_a_disk_is_found(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"x" * 1000 + b"hunter2" + b"y")
    (tmp_path / "named-hunter2").touch()
    found = found_on_disk([b"hunter2"], [tmp_path])
    assert sorted(place.name for place in found) == ["file", "named-hunter2"]


def test_every_kind_of_difference_between_trees_is_seen(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        (folder / "empty").mkdir(parents=True)
        for name in ("same", "content", "mode", "kind"):
            (folder / name).write_text("x")
        (folder / "link").symlink_to("same")
    assert differences(one, other) == []
    (other / "content").write_text("y")
    (other / "mode").chmod(0o600)
    (other / "kind").unlink()
    (other / "kind").symlink_to("same")
    (other / "link").unlink()
    (other / "link").symlink_to("mode")
    (other / "empty").rmdir()
    (other / "more").touch()
    names = [line.split("'")[1] for line in differences(one, other)]
    assert names == ["content", "empty", "kind", "link", "mode", "more"]


def test_planted_trees_hold_the_awkward_names(tmp_path):
    plant(tmp_path)
    names = {os.fsencode(place.name) for place in tmp_path.rglob("*")}
    assert {b"line\nbreak", b"-rf", b"$HOME", b"latin\xe9", b"broken link", b"empty folder"} <= names


def test_a_daemon_runs_as_long_as_its_context(tmp_path):
    with processes.daemon(["sh", "-c", "echo begun; exec sleep 1000"], log=tmp_path / "log") as pid:
        until(lambda: (tmp_path / "log").read_text() == "begun\n")
        assert pid in processes.descendants(os.getpid())
    until(lambda: not Path(f"/proc/{pid}").exists())
