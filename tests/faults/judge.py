"""What an operator would have reason to complain about in the ending of a cell, and the cell of the table in words."""

from faults.cells import BYSTANDER, FAULTED
from faults.play import Ending

# Causes that send an operator to a configuration in which nothing is wrong: here everything is well but for the fault.
_MISLEADING = ("no sshd listens", "refuses to forward", "no shell", "refused the key", "passphrase", "Local Exception")


def problems_of(ending: Ending) -> list[str]:
    """Return what was not as it should be, a line each."""
    wrong = {
        f"hung in {ending.last}: not over after {ending.limit:.0f} s": ending.code is None,
        **({} if ending.code is None else _of_the_end(ending)),
        f"accused somebody: {ending.accusations}": bool(ending.accusations),
        f"left on C when it had ended: {ending.frozen}": bool(ending.frozen),
        f"left behind while the link was down: {ending.cut_off}": bool(ending.cut_off),
        f"left behind: {ending.left}": bool(ending.left),
        f"the next run ended with {ending.next_code}: {ending.next_said[-600:]}": ending.next_code != 0,
        f"left behind by the next run: {ending.next_left}": bool(ending.next_left),
        f"borg check: {ending.check}": bool(ending.check),
    }
    return [f"{ending.cell.title}: {said}" for said, is_wrong in wrong.items() if is_wrong]


def _of_the_end(ending: Ending) -> dict[str, bool]:
    cell = ending.cell
    if cell.deadly:
        return {f"exit {ending.code}": ending.code != -9}
    if cell.stopped:
        wrong = {name: how for name, how in ending.outcomes.items() if how != "interrupted"}
        return {f"exit {ending.code}": ending.code != 129, f"not interrupted: {wrong}": bool(wrong)}
    done = ending.outcomes.get(FAULTED) == "done"
    bystander = ending.outcomes.get(BYSTANDER)
    fair = bystander == "done" or (cell.shared and bystander == "failed" and set(ending.bystander_named) <= cell.blamed)
    return {
        f"exit {ending.code}: {ending.said}": ending.code != (0 if done and bystander == "done" else 2),
        f"it should have ended well, but {ending.named} failed: {ending.said}": cell.harmless and not done,
        f"blames {ending.named}: {ending.said}": not done and not (ending.named and set(ending.named) <= cell.blamed),
        f"the other target: {bystander}, blames {ending.bystander_named}": not fair,
        f"misleads: {ending.said}": any(words in said for words in _MISLEADING for said in ending.said),
        f"no clear word: {ending.stderr[-600:]}": "internal error" in ending.stderr or "Traceback" in ending.stderr,
    }


def in_words(ending: Ending) -> str:
    """Return what stands in the table: who was named, after how many seconds, and whether all was well."""
    if ending.code is None:
        said = f"hung in {ending.last}"
    elif ending.cell.deadly:
        said = "next run well"
    elif ending.cell.stopped:
        said = f"interrupted, {ending.seconds:.0f} s"
    else:
        said = f"{ending.named[0] if ending.named else 'done'}, {ending.seconds:.0f} s"
    return f"**{said}**" if problems_of(ending) else said
