"""Whole commands while one program that B's scripts call fails once, over a real sshd and with a real borg.

An honest repository is never closed, a closed one never opened, and a snapshot never lost; a run without the fault then
ends well. tests/faults/test_half_answers.py plays each script alone, and with that many more faults.
"""

import itertools
import os
import tempfile
from collections.abc import Iterator

import pytest

from borgpull.ledger import Phase
from borgpull.ledger.record import read
from lab import Spot
from support import World, loopback_world
from support.following import same_as
from support.kept import Kept
from support.reading import config_of, report, script
from support.shims import FORK, HALF, KILLED, KINDS, MISSING, SHELL, Shims, can_refuse_forks

# It adds its archive, and then takes one of the oldest files away: it may, on this machine, as B's own root may.
EVIL = 'case "$*" in *create*) borg "$@" && rm {segment} ;; *) exec borg "$@" ;; esac\n'
POSSIBLE = [kind for kind in KINDS if kind != FORK or can_refuse_forks()]
COMMANDS = {"run": ("run", "--json"), "status": ("status",), "doctor": ("doctor",), "list": ("list", "web")}
HONEST = COMMANDS | {"accept": ("accept", "web"), "restore": ("restore", "web", "--to", "{out}")}
CLOSED = COMMANDS | {"accept": ("accept", "web"), "rollback": ("rollback", "web", "--yes")}


class Play:
    """A world whose B has shims, and two states of it: honest, and closed by what T did in its session."""

    def __init__(self, world: World, shims: Shims) -> None:
        self.world, self.shims = world, shims
        self.target = world.target("web")
        self.config = config_of(world, "web")
        self.config["Borg"]["PruneSetting"] = "--keep-last 2"
        self.folder = world.lab.root / ".borgpull" / "web"
        for _ in range(2):
            assert self.run("run").returncode == 0
        self.archives = world.lab.archives(self.target)
        self.honest = Kept(world)

    def run(self, *arguments: str, **changes):
        return self.world.run(*arguments, config=self.config | changes, seconds=400)

    def phase(self) -> Phase:
        known, why = read((self.folder / "ledger.json").read_bytes())
        assert known, why
        return known.phase

    def close(self) -> None:
        """Have T take a file away in its session."""
        segment = max(self.target.repository.glob("data/*/*"), key=lambda place: place.stat().st_size)
        evil = script(self.target.host.directory / "evil", EVIL.format(segment=segment))
        config = config_of(self.world, "web", BorgPath=evil)
        found = self.world.run("run", config=config)
        assert found.returncode == 3, (segment, segment.exists(), found.stderr)
        assert self.phase() is Phase.CLOSED
        assert (self.folder / "snapshot").exists()

    def faulty(self, command: tuple[str, ...], program: str, call: int, kind: str):
        """Run a command with one fault; return what it said, or None when the call did not come."""
        self.shims.arm(program, call, kind)
        with tempfile.TemporaryDirectory(dir=self.world.lab.directory) as out:
            result = self.run(*(word.format(out=f"{out}/new") for word in command))
        return result if self.shims.disarm() else None

    def called(self, command: tuple[str, ...]) -> list[tuple[str, int]]:
        """Return each call of each program in a command without a fault."""
        self.shims.disarm()
        with tempfile.TemporaryDirectory(dir=self.world.lab.directory) as out:
            self.run(*(word.format(out=f"{out}/new") for word in command))
        counts = sorted(self.shims.called().items())
        return [(name, n) for name, count in counts for n in range(1, count + 1)]


@pytest.fixture(scope="module")
def play(tmp_path_factory) -> Iterator[Play]:
    shims = Shims(tmp_path_factory.mktemp("half") / "shims")
    forced = f'ForceCommand PATH={shims.path}; export PATH; exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'
    with loopback_world(["web"], server=Spot(name="B", sshd_lines=(forced,)), planted=False) as world:
        (world.target("web").source / "file").write_bytes(os.urandom(30_000))
        yield Play(world, shims)
    shims.close()


@pytest.fixture(scope="module")
def closed(play) -> Kept:
    play.honest.put_back()
    play.close()
    return Kept(play.world, "closed")


def talks_late(program: str, kind: str) -> bool:
    """Tell whether it is a shell that would say nothing before its end: that is none to talk with."""
    return (program, kind) == ("sh", HALF)


def honest_problems(play: Play, command: str, program: str, call: int, kind: str) -> list[str] | None:
    """Return what an operator could complain about; None when the fault never came."""
    play.honest.put_back()
    ledger = (play.folder / "ledger.json").read_bytes()
    result = play.faulty(HONEST[command], program, call, kind)
    print(f"{command}: {program} {call} {kind}: {result and (result.returncode, result.stderr[-300:])}")
    if result is None:
        return None
    phase, said = play.phase(), []
    if phase is Phase.CLOSED:
        said.append("it was closed")
    if phase is Phase.OPEN and not (play.folder / "snapshot" / "data").exists():
        said.append("it is open without a snapshot")
    if command != "run" and (play.folder / "ledger.json").read_bytes() != ledger:
        said.append("the ledger was changed")
    # To a monitor 3 is that nobody could be asked, and 2 that somebody has to be woken up.
    if (
        result.returncode == (2 if command == "status" else 3)
        or "Traceback" in result.stderr
        or "internal error" in result.stderr
    ):
        said.append(f"it ended with {result.returncode}")
    if command == "run":
        named = {error["party"] for row in report(result)["targets"] for error in row["errors"]}
        if named - {"B"}:
            said.append(f"it blames {named}")
    left = play.world.lab.archives(play.target)
    new = [name for name in left if name not in play.archives]
    if not {play.archives[-1]} <= set(left) or len(new) > 1 or (phase is not Phase.MAINTENANCE and len(left) < 2):
        said.append(f"of {play.archives} there are {left}")
    after = play.run("run")
    if after.returncode not in (0, 1):
        said.append(f"the next run ends with {after.returncode}: {after.stderr[-500:]}")
    if (stands := play.run("status")).returncode != 0:
        said.append(f"the status then: {stands.stdout}")
    return [f"{command}: {program} {call} {kind}: {each}; {result.stderr[-500:]}" for each in said]


def closed_problems(play: Play, closed: Kept, command: str, program: str, call: int, kind: str) -> list[str] | None:
    closed.put_back()
    ledger = (play.folder / "ledger.json").read_bytes()
    snapshot = same_as(play.folder / "snapshot")
    result = play.faulty(CLOSED[command], program, call, kind)
    print(f"closed, {command}: {program} {call} {kind}: {result and (result.returncode, result.stderr[-300:])}")
    if result is None:
        return None
    said = []
    if (play.folder / "ledger.json").read_bytes() == ledger:
        if same_as(play.folder / "snapshot") != snapshot:
            said.append("the snapshot was changed")
    elif command != "rollback" or play.phase() is not Phase.CLEAN:
        said.append(f"it was opened: {play.phase()}")
    if "taken over" in result.stderr or "Traceback" in result.stderr or "internal error" in result.stderr:
        said.append(f"it ended with {result.returncode}")
    if command in ("run", "status") and result.returncode in (0, 1):
        said.append(f"it ended with {result.returncode}")
    if command == "rollback":
        again = play.run(*CLOSED["rollback"])
        if again.returncode != 0 or play.world.lab.archives(play.target) != play.archives:
            said.append(f"the next rollback ends with {again.returncode}: {again.stderr}")
    return [f"closed, {command}: {program} {call} {kind}: {each}; {result.stderr[-500:]}" for each in said]


def test_a_fault_in_a_look_of_a_run_closes_nothing(play):
    faults = [("cat", 8, HALF), ("setsid", 2, FORK if can_refuse_forks() else SHELL)]
    assert [honest_problems(play, "run", *fault) for fault in faults] == [[]] * len(faults)


def test_a_look_at_a_closed_repository_that_ends_early_opens_nothing(play, closed):
    assert closed_problems(play, closed, "run", "setsid", 2, SHELL) == []


def test_a_repository_whose_ledger_was_removed_is_refused_until_it_is_accepted(play):
    play.honest.put_back()
    for place in sorted(play.folder.rglob("*"), reverse=True):
        place.rmdir() if place.is_dir() else place.unlink()
    play.folder.rmdir()
    refused = play.run("run", "--json")
    assert refused.returncode == 2
    (error,) = report(refused)["targets"][0]["errors"]
    assert str(play.folder) in error["cause"]
    assert "`borgpull accept web`" in error["hint"]
    assert play.run("accept", "web", "--yes").returncode == 0
    assert play.run("run").returncode == 0


def test_a_repository_from_elsewhere_is_taken_over(play):
    play.honest.put_back()
    for place in sorted((play.world.lab.root / ".borgpull").rglob("*"), reverse=True):
        place.rmdir() if place.is_dir() else place.unlink()
    taken = play.run("run")
    assert taken.returncode == 0, taken.stderr
    assert "taken over as it is, with 2 archives" in taken.stderr


@pytest.mark.slow
@pytest.mark.parametrize("fault", [("find", 1, KILLED), ("ls", 1, HALF), ("du", 1, MISSING), ("sh", 3, KILLED)])
def test_other_faults_of_a_run_close_nothing(play, fault):
    assert honest_problems(play, "run", *fault) == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", [("cp", 1, KILLED), ("mv", 2, MISSING), ("rm", 3, HALF), ("ls", 2, KILLED)])
def test_other_faults_of_a_rollback_can_be_made_good(play, closed, fault):
    assert closed_problems(play, closed, "rollback", *fault) == []


def cells(play: Play, command: tuple[str, ...], share) -> list[tuple[str, int, str]]:
    """Each call of each program with each kind of fault, or what of these is to be played now."""
    every = [(program, call, kind) for kind in POSSIBLE for program, call in play.called(command)]
    return share([cell for cell in every if not talks_late(cell[0], cell[2])], rounds=5)


@pytest.mark.slow
@pytest.mark.in_each_slice
@pytest.mark.parametrize("command", HONEST)
def test_no_fault_closes_an_honest_repository(play, share, command):
    play.honest.put_back()
    found = [honest_problems(play, command, *cell) or [] for cell in cells(play, HONEST[command], share)]
    assert list(itertools.chain(*found)) == []


@pytest.mark.slow
@pytest.mark.in_each_slice
@pytest.mark.parametrize("command", CLOSED)
def test_no_fault_opens_a_closed_repository(play, closed, share, command):
    closed.put_back()
    found = [closed_problems(play, closed, command, *cell) or [] for cell in cells(play, CLOSED[command], share)]
    assert list(itertools.chain(*found)) == []
