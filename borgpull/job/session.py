"""A session of T with its repository, opened and run as this target's options say: for a backup and for a restore."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ..events import Step
from ..road import (
    Ended,
    Errand,
    FirstLeg,
    Heard,
    TargetSession,
    ask_seen,
    first_leg,
    open_target,
)
from ..ssh import Master
from .plan import Subject


@dataclass(frozen=True)
class Opened:
    """A session that has looked around and waits, with its way to B."""

    subject: Subject
    session: TargetSession
    leg: FirstLeg

    async def run(self, step: Step, heard: Heard | None = None, *, quota: str) -> Ended:
        """Let T's borg do its errand; `heard` is given what it says, without it those who watch are told.

        `quota` is how large the repository may get.

        Raises Failure when the road breaks, and TamperedError when the gate stopped the session.
        """
        subject = self.subject
        gated = subject.target.gate or subject.plan.config.sockets
        return await self.session.run(
            subject.request(step, append_only=True, quota=quota, gated=gated),
            entrance=self.leg.entrance,
            passphrase=subject.target.borg_target.passphrase.get_secret_value(),
            heard=heard or subject.watch.hearing(f"borg {subject.party}", step),
        )


@asynccontextmanager
async def opened(subject: Subject, master: Master, errand: Errand) -> AsyncIterator[Opened]:
    """Open a session for `errand`, for as long as the context lasts. Raises Failure when T lacks what it takes."""
    road, directory = subject.target.road, subject.plan.server.directory
    async with (
        open_target(master, errand) as session,
        first_leg(master, session.folder, road=road, directory=directory) as leg,
    ):
        yield Opened(subject, session, leg)


async def seen_there(subject: Subject, master: Master, ready: Opened | None) -> str:
    """Return the id of a repository that borg on T has seen at the place of this one, "" for none.

    It is asked in a session of its own where none has looked around yet. What root's borg has seen (Sudo) is not known.
    """
    if ready or subject.target.sudoer:
        return ready.session.seen if ready else ""
    return await ask_seen(master, subject.repository.location)
