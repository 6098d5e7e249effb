"""One cell of the matrix: holds a run up at its moment, strikes, lets go, and tells how it all ended.

Whatever happens, the struck process is dead and the cable plugged in at the end, and an honest run has been tried.
"""

import contextlib
import itertools
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from borgpull.errors import Failure
from faults.cells import AWAY, BYSTANDER, C_FILES, C_MEMORY, FAULTED, KILL, STOP, C, Cell
from faults.stage import Stage
from faults.victims import Victim, held, pids_of
from support.following import Run

# No wait of a run may be longer, whatever stands still.
LIMIT_SECONDS = 120.0
LEFT_SECONDS = 30.0
# How long C is stopped before it is woken: longer than it takes the others to fill what they write to it.
PAUSE_SECONDS = 5.0
AWAY_SECONDS = 60.0
# What the title of a session's process says.
_SSHD = (": sshd: ",)


@dataclass
class Ending:
    """How one cell ended. `code` is None for a run that did not end in time; `outcomes` are those of the targets."""

    cell: Cell
    limit: float = LIMIT_SECONDS
    code: int | None = None
    seconds: float = 0.0
    named: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    outcomes: dict[str, str] = field(default_factory=dict)
    bystander_named: tuple[str, ...] = ()
    accusations: list[Any] = field(default_factory=list)
    stderr: str = ""
    last: str = ""
    frozen: list[str] = field(default_factory=list)
    cut_off: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    next_code: int = -1
    next_seconds: float = 0.0
    next_said: str = ""
    next_left: list[str] = field(default_factory=list)
    check: str = ""


def play(stage: Stage, cell: Cell, *, limit: float = LIMIT_SECONDS) -> Ending:
    """Play a cell on a stage; a run hangs that is not over `limit` seconds after the fault.

    Raises AssertionError when the moment of the fault does not come.
    """
    ending = Ending(cell, limit=limit)
    if cell.step == "inspect":
        stage.leave_open()
    with _held_up(stage, cell) as run:
        by_hand = cell.walled or cell.fault == AWAY
        pids = [] if by_hand else pids_of(cell.victim, stage.world, run.process.pid)
        assert by_hand or pids, f"there is no {cell.victim}"
        with held(pids) as victims:
            _strike(stage, cell, victims)
            stage.gates.open()
            _await(stage, run, cell, victims, ending)
            killed = cell.deadly or ending.code is None
            if cell.walled:
                # sshd as Debian ships it does not notice; what it started has to, without it
                ending.cut_off = _leftovers(stage, killed, *_SSHD)
            _wake(stage, cell, victims)
            ending.left = _leftovers(stage, killed)
    _try_again(stage, ending)
    return ending


@contextlib.contextmanager
def _held_up(stage: Stage, cell: Cell) -> Iterator[Run]:
    gates, beside = stage.gates, [f"{BYSTANDER}.create"] if cell.bystander_held else []
    # What is verified is listed, but so may be what is inspected: the way to `verify` leads through `create`.
    way = [f"{FAULTED}.create", cell.gate] if cell.step == "verify" else [cell.gate]
    gates.shut(way[0], *beside)
    run = stage.start(limits=cell.limits, patience=cell.patience)
    try:
        run.until(lambda: gates.reached(way[0], *beside))
        for before, gate in itertools.pairwise(way):
            gates.shut(gate)
            gates.open(before)
            run.until(lambda gate=gate: gates.reached(gate))
        assert cell.gate == "B.connect" or run.has("step_started", target=FAULTED, step=cell.step)
        yield run
    finally:
        gates.open()
        run.kill()


def _strike(stage: Stage, cell: Cell, victims: list[Victim]) -> None:
    if cell.walled:
        stage.switch(cell.victim, up=False)
    if cell.fault == AWAY:
        stage.leave()
    for victim in victims:
        if cell.fault == KILL:
            victim.kill()
        elif cell.victim == C_MEMORY:
            for directory in stage.world.memory.glob("borgpull-*"):
                shutil.rmtree(directory)
        elif cell.victim == C_FILES:
            used = {int(place.name) for place in Path(f"/proc/{victim.pid}/fd").iterdir()}
            free = min(set(range(len(used) + 1)) - used)
            resource.prlimit(victim.pid, resource.RLIMIT_NOFILE, (free, free))
        else:
            victim.send(signal.SIGHUP if cell.stopped else signal.SIGSTOP)


def _await(stage: Stage, run: Run, cell: Cell, victims: list[Victim], ending: Ending) -> None:
    began = time.monotonic()
    if (cell.victim, cell.fault) == (C, STOP):
        time.sleep(PAUSE_SECONDS)  # the fault itself, nothing is waited for
        victims[0].send(signal.SIGCONT)
    if cell.fault == AWAY:
        time.sleep(AWAY_SECONDS)  # so is this
        stage.come_back()
    try:
        _, ending.stderr = run.process.communicate(timeout=ending.limit)
        ending.code = run.process.returncode
    except subprocess.TimeoutExpired:
        run.process.kill()
    ending.seconds = time.monotonic() - began
    _read(run, ending)
    if cell.victim in ("master to B", "master to T", "ssh client of create") and ending.code is not None:
        ending.frozen = [f"process {victim.pid} of C" for victim in victims if victim.alive]


def _read(run: Run, ending: Ending) -> None:
    events = run.events()
    failed = [event for event in events if event["event"] == "failed"]
    of_all = [event for event in failed if event["target"] in (None, FAULTED)]
    ending.named = tuple(event["party"] for event in of_all)
    ending.said = tuple(event["cause"] for event in of_all)
    ending.bystander_named = tuple(event["party"] for event in failed if event["target"] in (None, BYSTANDER))
    ending.outcomes = {e["target"]: e["outcome"] for e in events if e["event"] == "target_finished"}
    ending.accusations = run.accusations()
    steps = [event for event in events if event["event"] == "step_started" and event["target"] == FAULTED]
    ending.last = steps[-1]["step"] if steps else "connecting to B"


def _wake(stage: Stage, cell: Cell, victims: list[Victim]) -> None:
    # A host that stood still wakes up, a cable is found: what is left of the run has to end by itself.
    for victim in victims:
        victim.send(signal.SIGCONT)
    if cell.walled:
        stage.switch(cell.victim, up=True)


def _leftovers(stage: Stage, killed: bool, *but: str) -> list[str]:
    # What a killed C leaves on its own tmpfs can only be removed by the next run.
    forgiven = [*but, *([f"left: {stage.world.memory}"] if killed else [])]
    deadline = time.monotonic() + LEFT_SECONDS
    while True:
        left = [line for line in stage.world.leftovers(seconds=0) if not any(word in line for word in forgiven)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.25)


def _try_again(stage: Stage, ending: Ending) -> None:
    began = time.monotonic()
    done = stage.run()
    ending.next_code, ending.next_seconds = done.returncode, time.monotonic() - began
    ending.next_said = done.stderr if done.returncode else ""
    ending.next_left = stage.world.leftovers()
    for target in stage.world.targets:
        try:
            stage.world.lab.borg(target, "check")
        except Failure as failure:
            ending.check = str(failure)
