"""Each program that a script on B calls fails once, at each place: what is told is the truth, or that B failed.

The store of a real repository with a shell on this machine instead of the ssh; tests/faults/test_half_runs.py plays
whole commands.
"""

import asyncio
import contextlib
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from borgpull import ssh
from borgpull.errors import BACKUP_SERVER, Failure, TamperedError
from borgpull.guard import read_evidence
from borgpull.ledger import Ledger, Phase, ServerStore, server
from borgpull.ledger.record import read
from borgpull.ledger.server import Place
from borgpull.ledger.store import Written
from support.following import same_as
from support.shims import FORK, HALF, HANG, KINDS, Shims, can_refuse_forks

BORG = {"BORG_PASSPHRASE": "x", "BORG_SELFTEST": "disabled", "TZ": "UTC"}
# A wait of so long is one for what never comes.
STEP = 25.0
POSSIBLE = [kind for kind in KINDS if kind != FORK or can_refuse_forks()]
# A program, which of its calls, and how that fails.
Cell = tuple[str, int, str]
LOW, HIGH = "0000000000000100", "0000000000000200"


@dataclass
class Stage:
    """A RootDir below `home` with one repository, a store of it, and the shims that its scripts run with."""

    home: Path
    shims: Shims
    known: Ledger | None = None

    @property
    def root(self) -> Path:
        return self.home / "root"

    @property
    def repository(self) -> Path:
        return self.root / "web"

    @property
    def folder(self) -> Path:
        return self.root / ".borgpull" / "web"

    @property
    def ids(self) -> Path:
        return self.root / ".borgpull" / "ids"

    @property
    def snapshot(self) -> Path:
        return self.folder / "snapshot"

    def store(self) -> ServerStore:
        @contextlib.asynccontextmanager
        async def place():
            yield

        async def lost():
            return None

        def failure(said, *, doing):
            return Failure(BACKUP_SERVER, f"could not {doing}: {said}", hint="try it", transient=True)

        master = SimpleNamespace(party=BACKUP_SERVER, control=self.shims.path, place=place, lost=lost, failure=failure)
        return ServerStore(master, Place(str(self.repository), str(self.folder), str(self.ids)))

    def ledger(self) -> Ledger:
        found, why = read((self.folder / "ledger.json").read_bytes())
        assert found, why
        return found

    def in_phase(self, phase: Phase) -> Ledger:
        return replace(self.known, phase=phase, cause="for a reason" if phase is Phase.CLOSED else "")


def borg(stage: Stage, *arguments: str) -> bytes:
    environment = os.environ | BORG | {"BORG_BASE_DIR": str(stage.home / "base"), "BORG_REPO": str(stage.repository)}
    return subprocess.run(["/usr/bin/borg", *arguments], env=environment, check=True, stdout=subprocess.PIPE).stdout


@pytest.fixture(scope="module", autouse=True)
def no_ssh():
    """Sessions are shells on this machine, their PATH what is the master's `control`."""
    with pytest.MonkeyPatch.context() as patch:
        here = ("env", "-i")
        patch.setattr(ssh.argv, "execute", lambda path, command: [*here, f"PATH={path}", "/bin/sh", "-c", str(command)])
        patch.setitem(ServerStore._ask.__kwdefaults__, "seconds", STEP)
        patch.setattr(server, "_SURVEY_SECONDS", STEP)
        yield


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A repository that was opened: ledger and snapshot are there."""
    home = tmp_path_factory.mktemp("half")
    made = Stage(home / "now", Shims(home / "shims"))
    made.root.mkdir(parents=True)
    borg(made, "init", "-e", "repokey-blake2")
    for name in ("one", "two"):
        (home / "file").write_bytes(os.urandom(30_000))
        borg(made, "create", f"::{name}", str(home / "file"))
    (made.repository / "nonce").write_text(LOW)
    listed = borg(made, "list", "--json", "--consider-checkpoints")

    async def begin():
        found = await made.store().read_evidence()
        evidence = read_evidence(files=found.files, archives=listed, segments=found.segments)
        made.known = Ledger(phase=Phase.OPEN, evidence=evidence, archive="three", started=1.0)
        async with (store := made.store()).locked():
            await store.write(made.known, snapshot="make")

    asyncio.run(begin())
    yield made
    made.shims.close()


@contextlib.contextmanager
def put_back(stage: Stage, change):
    """The stage changed by `change`, and as it was afterwards."""
    kept = stage.home.with_name("kept")
    for here, there in ((stage.home, kept), (kept, stage.home)):
        shutil.rmtree(there, ignore_errors=True)
        subprocess.run(["cp", "-a", str(here), str(there)], check=True)
        if here == stage.home:
            change(stage)
            yield


def nothing(_: Stage) -> None:
    pass


def closed(stage: Stage) -> None:
    (stage.folder / "ledger.json").write_bytes(stage.in_phase(Phase.CLOSED).dump())


def closed_and_damaged(stage: Stage) -> None:
    closed(stage)
    max(stage.repository.glob("data/*/*"), key=lambda place: place.stat().st_size).unlink()
    (stage.repository / "nonce").write_text(HIGH)
    (stage.repository / "of the attack").touch()


def without_links(stage: Stage) -> None:
    closed_and_damaged(stage)
    stage.repository.joinpath("data/0/99").touch()
    shutil.rmtree(stage.snapshot / "data")


def without_ledger(stage: Stage) -> None:
    shutil.rmtree(stage.folder)


def without_ids(stage: Stage) -> None:
    shutil.rmtree(stage.ids)
    other = stage.root / ".borgpull" / "zzz"
    other.mkdir()
    (other / "ledger.json").write_text("{}")


def clean(stage: Stage) -> None:
    (stage.folder / "ledger.json").write_bytes(stage.in_phase(Phase.CLEAN).dump())
    shutil.rmtree(stage.snapshot)


class Operation:
    """What is asked of a store, in which state; `judge` tells what an operator may complain about."""

    def __init__(self, name, ask, change=nothing, judge=lambda stage, answer: [], *, held=True):
        self.name, self.ask, self.change, self.judge, self.held = name, ask, change, judge, held

    async def play(self, stage: Stage):
        """Return the answer, or the Failure."""
        store = stage.store()
        try:
            async with store.locked() if self.held else contextlib.nullcontext():
                return await self.ask(stage, store)
        except Failure as failure:
            return failure


def the_snapshot_is_whole(stage: Stage, *_) -> list[str]:
    ledger = stage.ledger()
    if ledger.phase not in (Phase.OPEN, Phase.CLOSED):
        return []
    known = {place.name for place in stage.home.with_name("kept").glob("root/web/data/*/*")}
    there = {place.name for place in stage.snapshot.glob("data/*/*")}
    names = {place.name for place in stage.snapshot.glob("*")}
    missing = (known - there) | ({"config", "nonce", "data"} - names)
    return [f"phase {ledger.phase} without {sorted(missing)} in the snapshot"] if missing else []


def wrote(phase: Phase, before: Phase = Phase.OPEN):
    def judge(stage, answer):
        found = stage.ledger()
        said = the_snapshot_is_whole(stage)
        if found not in (stage.in_phase(before), stage.in_phase(phase)):
            said.append(f"it is neither what it was nor what was written: {found.phase}")
        if isinstance(answer, Failure):
            return said
        if found != stage.in_phase(phase):
            said.append("it is told to be written, and is not")
        if not answer.has_hard_links:
            said.append("it is told that there are no hard links")
        id_ = stage.ids / found.evidence.repository_id
        if not id_.exists() or id_.read_text() != f"{stage.folder}\n":
            said.append("its id is not known any more")
        return said

    return judge


def write(phase: Phase, snapshot: str):
    async def ask(stage, store):
        return await store.write(stage.in_phase(phase), snapshot=snapshot)

    return ask


async def look(_, store):
    return await store.read_evidence()


async def survey(_, store):
    return replace(await store.read_status(), holder="")


async def place(stage, store):
    return await store.known_place(stage.known.evidence.repository_id)


async def segments(stage, store):
    needed = {segment for segment, objects in stage.known.evidence.live.items() if objects}
    return await store.segments(needed)


async def left_behind(stage, store):
    return await store.left_behind(SimpleNamespace(root_dir=str(stage.root), targets=()))


def is_left_behind(stage, answer):
    return [] if isinstance(answer, Failure) or answer == (str(stage.folder),) else [f"it is overlooked: {answer}"]


def with_a_mark(stage: Stage) -> None:
    config = stage.repository / "config"
    config.write_text(config.read_text() + "last_segment_checked = 3\n")


async def check_anew(_, store):
    await store.check_anew()
    return "anew"


def settings_are_whole(stage, answer):
    told = (stage.repository / "config").read_text()
    return [] if "\nkey = " in told and "\nid = " in told and told.endswith("\n") else [f"the config is torn: {told}"]


def elsewhere(stage: Stage) -> Path:
    return stage.root / ".borgpull" / "hosts" / "web"


async def move(stage, store):
    await store.move(stage.known.evidence.repository_id, to=str(elsewhere(stage)))
    return "moved"


def nothing_was_lost_on_the_way(stage, answer):
    places = (stage.folder, elsewhere(stage))
    names = ("ledger.json", "snapshot/data", "snapshot/config")
    there = [[(place / name).exists() for place in places] for name in names]
    said = [] if all(map(any, there)) else [f"something is lost: {there}"]
    id_ = stage.ids / stage.known.evidence.repository_id
    if not isinstance(answer, Failure) and (there[0] != [False, True] or id_.read_text() != f"{elsewhere(stage)}\n"):
        said.append("it is told to be moved, and is not")
    return said


async def retire(_, store):
    await store.give_up()
    return "retired"


def still_closed_or_retired(stage, answer):
    if (stage.folder / "ledger.json").exists():
        return the_snapshot_is_whole(stage)
    return [] if (stage.folder / "ledger.retired.json").exists() else ["the ledger is lost"]


def half_made(stage: Stage) -> None:
    """Leave what a `borg init` leaves that is cut off before its commit, and no ledger."""
    without_ledger(stage)
    for place in stage.repository.glob("data/*/*"):
        place.unlink()
    (stage.repository / "data" / "0" / "0").write_bytes(b"BORG_SEG" + bytes(500))


async def set_aside(_, store):
    return "aside" if "/half-made." in await store.set_aside() else "nowhere"


def is_there_or_aside(stage, answer):
    places = [stage.repository, *stage.folder.glob(f"half-made.*/{stage.repository.name}")]
    return [] if [place for place in places if (place / "data" / "0" / "0").exists()] else ["it is lost"]


async def restore(stage, store):
    await store.restore(stage.known.evidence, linked=(stage.snapshot / "data").exists(), kept=False, rebuild=False)
    return "restored"


def can_be_restored(stage, answer):
    """Whatever a restore that failed left, the next one puts back, and nothing is lost by that."""
    said = the_snapshot_is_whole(stage) if (stage.snapshot / "data").exists() else []
    if stage.ledger().phase is not Phase.CLOSED:
        said.append("it was opened")
    if isinstance(answer, Failure):
        again = asyncio.run(OPERATIONS_BY_NAME["restore"].play(stage))
        if isinstance(again, Failure):
            return [*said, f"the next one fails: {again}"]
    wanted = stage.snapshot if (stage.snapshot / "data").exists() else None
    if wanted and not (stage.folder / "tampered" / "of the attack").exists():
        said.append("the state that was found is lost")
    if (stage.repository / "nonce").read_text() != HIGH:
        said.append("the nonce was lowered")
    if wanted and same_as(stage.repository / "data") != same_as(wanted / "data"):
        said.append("what was put back is not what was verified")
    if (stage.repository / "data/0/99").exists():
        said.append("what came after is still there")
    if not (stage.repository / "config").exists():
        said.append("there is no config")
    return said


OPERATIONS = (
    Operation("look", look),
    Operation("look without a session", look, held=False),
    Operation("look without a ledger", look, without_ledger),
    Operation("survey", survey, held=False),
    Operation("survey without a ledger", survey, without_ledger, held=False),
    Operation("open", write(Phase.OPEN, "make"), clean, wrote(Phase.OPEN, Phase.CLEAN)),
    Operation("close", write(Phase.CLOSED, "keep"), nothing, wrote(Phase.CLOSED)),
    Operation("settle", write(Phase.MAINTENANCE, "drop"), nothing, wrote(Phase.MAINTENANCE)),
    Operation("place", place, without_ledger),
    Operation("place by ledgers", place, without_ids, held=False),
    Operation("segments", segments, closed),
    Operation("set aside", set_aside, half_made, is_there_or_aside),
    Operation("retire", retire, closed, still_closed_or_retired),
    Operation("retire without a ledger", retire, lambda stage: (stage.folder / "ledger.json").unlink()),
    Operation("check anew", check_anew, with_a_mark, settings_are_whole),
    Operation("move", move, nothing, nothing_was_lost_on_the_way),
    Operation("left behind", left_behind, nothing, is_left_behind, held=False),
    Operation("restore", restore, closed_and_damaged, can_be_restored),
    Operation("restore without links", restore, without_links, can_be_restored),
)
LOOK = Operation("look", look, held=False)
OPERATIONS_BY_NAME = {operation.name: operation for operation in OPERATIONS}


def problems_of(stage: Stage, operation: Operation, chosen: Callable[[list[tuple[str, int]]], list[Cell]]) -> list[str]:
    """Play an operation without a fault and with each that is `chosen`; return what was not as it should be."""
    said, played = [], 0
    with put_back(stage, operation.change):
        stage.shims.disarm()
        honest = asyncio.run(operation.play(stage))
        assert not isinstance(honest, Failure), honest
        called = sorted(stage.shims.called().items())
        said += [f"honest: {each}" for each in operation.judge(stage, honest)]
    # A shell that says nothing before its end is none to talk with.
    cells = [cell for cell in chosen(called) if (cell[0], cell[2]) != ("sh", HALF)]
    for program, call, kind in cells:
        with put_back(stage, operation.change):
            stage.shims.arm(program, call, kind)
            begun = time.monotonic()
            answer = asyncio.run(operation.play(stage))
            seconds = time.monotonic() - begun
            played += stage.shims.disarm()
            problems = list(operation.judge(stage, answer))
            if seconds > STEP:
                problems.append(f"it took {seconds:.0f} s")
            if isinstance(answer, TamperedError):
                problems.append("it accuses")
            elif isinstance(answer, Failure):
                # That no shell came up is told by the ssh, and here there is none.
                if (answer.party != BACKUP_SERVER or not answer.transient) and program != "sh":
                    problems.append("it is no passing failure of B")
            elif _timeless(answer) != _timeless(honest):
                problems.append("it is not the truth")
            again = asyncio.run(LOOK.play(stage))
            if isinstance(again, Failure):
                problems.append(f"the next look fails: {again}")
            print(f"{operation.name}: {program} {call} {kind}: {seconds:.1f} s, {answer!s:.120}, {problems}")
            said += [f"{operation.name}: {program} {call} {kind}: {each} ({answer!s:.200})" for each in problems]
    assert played or not cells
    return said


def _timeless(answer: object) -> object:
    """Return an answer without what is another one in a moment: the clock, and what is free."""
    if not isinstance(answer, Written):
        return answer
    return replace(answer, clock=0.0, space=answer.space and replace(answer.space, free=0))


@pytest.mark.parametrize("name", ["look", "open", "place by ledgers", "restore", "set aside"])
def test_a_program_that_fails_is_a_failure_of_b_and_never_another_answer(stage, name):
    kinds = itertools.cycle(POSSIBLE)
    said = problems_of(stage, OPERATIONS_BY_NAME[name], lambda called: [(*each, next(kinds)) for each in called])
    assert said == [], "\n".join(said)


def test_a_program_that_never_ends_is_a_passing_failure_of_b_and_what_it_ran_in_is_ended(stage, monkeypatch):
    monkeypatch.setitem(ServerStore._ask.__kwdefaults__, "seconds", 2.0)
    look = OPERATIONS_BY_NAME["look"]
    with put_back(stage, nothing):
        stage.shims.arm("find", 1, HANG)
        answer = asyncio.run(look.play(stage))
        assert stage.shims.disarm()
        assert isinstance(answer, Failure)
        assert (answer.party, answer.transient) == (BACKUP_SERVER, True)
        assert "did not end within 2 s" in answer.cause
        # It waits for no lock.
        assert not isinstance(asyncio.run(look.play(stage)), Failure)


@pytest.mark.slow
@pytest.mark.in_each_slice
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_a_program_that_fails_in_any_way_is_a_failure_of_b_and_never_another_answer(stage, share, operation):
    def chosen(called: list[tuple[str, int]]) -> list[Cell]:
        every = [(name, n, kind) for kind in POSSIBLE for name, count in called for n in range(1, count + 1)]
        return share(every, rounds=3)

    said = problems_of(stage, operation, chosen)
    assert said == [], "\n".join(said)
