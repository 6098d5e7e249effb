"""The cells of the fault matrix: who is struck by what in which step, and whom an operator may then see named.

A list and nothing else: it starts nothing and knows no process.
"""

from dataclasses import dataclass

STEPS = ("connect", "inspect", "create", "verify", "check", "prune", "compact")
FAULTED, BYSTANDER = "web", "mail"
T = f"T {FAULTED}"

KILL, STOP, CUT, HANG_UP, AWAY, GONE = "kill -9", "SIGSTOP", "cut", "SIGHUP", "away for a minute", "gone"
C, B = "C", "B"
# What C needs of its own system: the folder in memory, and descriptors.
C_MEMORY, C_FILES = "private directory of C", "descriptors of C"
B_MASTER, T_MASTER = "master to B", "master to T"
CLIENT = "ssh client of create"
SOCAT, BORG, SERVE = "socat on T", "borg on T", "borg serve on B"
B_SSHD, T_SSHD = "sshd's child on B", "sshd's child on T"
B_LINK, T_LINK = "link to B", "link to T"

PARTIES = (C, B_MASTER, T_MASTER, CLIENT, SOCAT, BORG, SERVE, B_SSHD, T_SSHD)
LINKS = (B_LINK, T_LINK)
NEEDS = (C_MEMORY, C_FILES)

# The connection to T stands from connect to create; it is closed before anything is verified.
_WITH_T = STEPS[:3]
_STEPS = {
    C: STEPS,
    B: STEPS,
    C_MEMORY: STEPS,
    C_FILES: STEPS,
    B_MASTER: STEPS,
    T_MASTER: _WITH_T,
    CLIENT: _WITH_T,
    SOCAT: ("create",),
    BORG: ("create",),
    SERVE: STEPS[1:],
    B_SSHD: STEPS,
    T_SSHD: _WITH_T,
    B_LINK: STEPS,
    T_LINK: STEPS,
}
# A process of C's own: C may blame itself as well as the host at the other end.
_ON_C = {B_MASTER, T_MASTER, CLIENT}


@dataclass(frozen=True)
class Cell:
    """One fault: what strikes (`fault`) whom (`victim`) in the middle of which step of the faulted target."""

    victim: str
    fault: str
    step: str

    @property
    def title(self) -> str:
        return f"{self.victim}, {self.fault}, {self.step}"

    @property
    def walled(self) -> bool:
        """Tell whether it needs hosts with a link of their own, which can be cut."""
        return self.victim in LINKS

    @property
    def gate(self) -> str:
        """Return the gate at which the run is held up, so that the fault strikes there (see gates.py)."""
        if self.step == "connect":
            if self.shared:
                return "B.connect"
            return f"{FAULTED}.look" if self.victim == CLIENT else f"{FAULTED}.connect"
        return f"{FAULTED}.{ {'inspect': 'list', 'verify': 'list'}.get(self.step, self.step) }"

    @property
    def bystander_held(self) -> bool:
        """Tell whether the other target can be in the middle of its own `create`: not before B is connected."""
        return self.gate != "B.connect"

    @property
    def shared(self) -> bool:
        """Tell whether it strikes what all targets share, so that the others may fail too."""
        return self.victim in (B, B_MASTER, B_SSHD, B_LINK, *NEEDS)

    @property
    def harmless(self) -> bool:
        """Tell whether the run must end well: C is woken, B comes back, or T's link is of no use any more."""
        passes = (self.victim, self.fault) in ((C, STOP), (B, AWAY))
        return passes or (self.victim == T_LINK and self.step not in _WITH_T)

    @property
    def deadly(self) -> bool:
        """Tell whether the run itself is struck dead, and can say nothing more."""
        return (self.victim, self.fault) == (C, KILL)

    @property
    def stopped(self) -> bool:
        """Tell whether the run is told to stop, as it is when its terminal is closed."""
        return self.fault == HANG_UP

    @property
    def patience(self) -> str:
        """Return how long the run may wait for B: where B does not come back, it is to say so soon."""
        return "5m" if self.fault == AWAY else "5s"

    @property
    def limits(self) -> dict[str, str]:
        """Return what the config of the struck target says of limits: nothing else gives up who is stopped out there.

        Timeout runs from the target's beginning, so that some of it is over when the fault strikes.
        """
        if self.fault != STOP or self.victim not in (SOCAT, BORG, SERVE):
            return {}
        return {"StallTimeout": "20s"} if self.step == "create" else {"Timeout": "90s"}

    @property
    def blamed(self) -> frozenset[str]:
        """Return who may be named as the one who failed."""
        if self.victim in NEEDS:
            return frozenset({"C"})
        party = "B" if self.shared or self.victim == SERVE else T
        return frozenset({party, "C"} if self.victim in _ON_C else {party})


def cell(victim: str, fault: str, step: str) -> Cell | None:
    """Return the cell, or None where the victim does not exist in that step."""
    return Cell(victim, fault, step) if step in _STEPS[victim] else None


def rows() -> list[tuple[str, str]]:
    """Return all victims with their faults, in the order of the table."""
    struck = [(victim, fault) for victim in PARTIES for fault in (KILL, STOP)]
    cut = [(victim, CUT) for victim in LINKS] + [(victim, GONE) for victim in NEEDS]
    return [*struck[:2], (C, HANG_UP), *struck[2:], (B, AWAY), *cut]


def cells() -> list[Cell]:
    """Return all cells that there can be."""
    return [found for row in rows() for step in STEPS if (found := cell(*row, step))]
