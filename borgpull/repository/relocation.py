"""A repository that the operator moved: its ledger moves too, and borg here and on the target forgets the old place.

Only what is proven to be the repository of that ledger, by its id, its key and Borg's own records. The ledger is not
changed by it: what came since, the next run judges as ever.
"""

from __future__ import annotations

import posixpath
from collections.abc import Awaitable, Callable
from dataclasses import replace

from .. import guard, ssh
from ..errors import TamperedError
from ..guard import State, Unreadable
from ..ledger import FOLDER, Entry, Found, Ledger, Phase, ServerStore
from ..transport import BORG_HOME, forget_location
from ..untrusted import clean
from .connected_target import connected_target
from .context import TargetContext

_SECONDS = 60.0
# Borg remembers the place twice: in its memory and, which counts more, in its cache (1.2.4, 1.4.5).
_FORGET_PLACE = (
    BORG_HOME
    + r"""
set -e
borg_home
rm -f "$security/$1/location"
kind "$cache/$1/config"
[ "$kind" = nothing ] || {
  sed '/^previous_location *=/d' "$cache/$1/config" >"$cache/$1/config.new"
  mv "$cache/$1/config.new" "$cache/$1/config"
}
"""
)


async def follow_moved(context: TargetContext, confirm: Callable[[str], Awaitable[bool]]) -> str:
    """Let a target go on at the place that its config names now, if the operator confirms; return what was done.

    Nothing was done if it is empty. Done again, it does what is left to do. The caller holds the run lock. Raises
    Failure where there is nothing to go on with, TamperedError where it is another repository than the ledger knows.
    """
    found = await context.store.read_evidence()
    if found.ledger is None and not found.repository:
        if places := await context.store.left_behind(context.config, context.target.name):
            there = f"there is no repository at its place ({context.place.repository})"
            raise context.failure(
                f"{there}; its ledger lies in {clean(places[0])}",
                hint="move the folder of the repository there first, or put SubDir back; nothing was changed",
            )
        return "there is neither a repository nor a ledger of one: nothing was moved"
    ledger = context.place.ledger if found.ledger else await _ledger_elsewhere(context, found)
    store = context.store
    if isinstance(store, ServerStore):
        store = store.at(replace(context.place, ledger=ledger))
    known = _proven(context, await store.read_evidence())
    if not await confirm(f"its repository is {context.place.repository} now, with the ledger in {ledger}"):
        return ""
    left_to_do = await _forget_place(context, known.evidence.repository_id)
    await store.move(known.evidence.repository_id, to=context.place.ledger)
    await context.remember(Entry(what="accept --moved", cause=f"from {ledger}"))
    return f"it goes on at its new place{left_to_do}"


async def _ledger_elsewhere(context: TargetContext, found: Found) -> str:
    """Return where the ledger of the repository at this place lies, by its id; no other target may have it."""
    below = context.place.ledger.partition(f"/{FOLDER}/")[0]
    repository_id = _records(context, found).repository_id
    # RootDir may have been moved with all that is in it.
    place = (await context.store.known_place(repository_id)).partition(f"/{FOLDER}/")[2]
    ledger = posixpath.join(below, FOLDER, place)
    if ledger not in await context.store.left_behind(context.config):
        raise context.failure(
            f"no ledger of its own below RootDir knows the repository at its place ({repository_id[:12]}…)",
            hint="if it is a copy of the one of another target, remove it. If RootDir was changed, and its folder "
            f"{FOLDER} left behind: `cp -a OLD/{FOLDER}/. {below}/{FOLDER}/` on the backup server, then this again; "
            "nothing was changed",
        )
    old = replace(context.place, repository=posixpath.join(below, place), ledger=ledger)
    if isinstance(context.store, ServerStore) and (await context.store.at(old).read_evidence()).repository:
        raise context.failure(
            f"its repository was copied, not moved: there still is one in {old.repository}",
            hint="remove one of the two on the backup server; nothing was changed",
        )
    return ledger


def _records(context: TargetContext, found: Found) -> guard.Records:
    try:
        return found.records
    except Unreadable as error:
        hint = "nothing was changed; put it back where it was, and see what `borgpull run` says about it"
        raise context.failure(f"the repository at its place cannot be read: {error}", hint=hint) from None


def _proven(context: TargetContext, found: Found) -> Ledger:
    known = found.ledger
    if known is None:
        raise context.failure(f"its ledger is gone, or damaged: {found.unreadable}", hint="try it again")
    if not context.store.shows_records:
        # The next run lists the archives and looks at the key, and judges by this ledger.
        return known
    records = _records(context, found)
    verdict = guard.judge_unlisted(known.evidence, records, why="", maintenance=known.phase is Phase.MAINTENANCE)
    closed = known.phase is Phase.CLOSED and known.evidence.repository_id == records.repository_id
    if verdict.state is State.TAMPERED and not closed:
        raise TamperedError(
            context.party,
            "the repository at its place is not, or no longer, the one that its ledger knows",
            findings=verdict.rules[:-1],
            hint="nothing was changed; put it back where it was, and let `borgpull run` judge it there",
        )
    return known


async def _forget_place(context: TargetContext, repository_id: str) -> str:
    """Have borg on the target, then on the controller, forget the old place; return what is left to do by hand."""
    left_to_do = ""
    if context.target.sudo_user:
        home = f"~root/.cache/borg/{repository_id}/config"
        left_to_do = (
            "; its borg runs as root (Sudo) and remembers the old one: there, as root: "
            f"`rm -f ~root/.config/borg/security/{repository_id}/location; sed -i /^previous_location/d {home}`"
        )
    else:
        doing = "have its borg forget the place"
        async with connected_target(context) as session:
            await ssh.ask(session.master, _FORGET_PLACE, repository_id, doing=doing, seconds=_SECONDS)
    forget_location(context.cache, repository_id)
    return left_to_do
