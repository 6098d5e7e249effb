"""Questions on the terminal, never on standard input: it may hold the config.

Everything else goes on meanwhile: the backup server has to hear that this controller lives.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, TextIO

from ..errors import UsageError

Rule = Callable[[str], str | None]


async def confirm(question: str, *, hint: str) -> bool:
    """Ask for a yes. Raises UsageError without a terminal; `hint` is its hint."""
    return (await _typed(f"{question} [y/N] ", hint)).strip().lower() in {"y", "yes"}


async def answer(question: str, *, default: str = "", rule: Rule, hint: str) -> str:
    """Ask for a text, again and again until `rule` finds nothing wrong with it; nothing typed is `default`.

    Raises UsageError without a terminal; `hint` is its hint.
    """
    asked = f"{question}{f' [{default}]' if default else ''}: "
    problem: str | None = ""
    while problem is not None:
        line = await _typed(f"  That {problem}.\n{asked}" if problem else asked, hint)
        if not line:
            raise UsageError("the terminal gave no answer", hint=hint)
        problem = rule(text := line.strip() or default)
    return text


async def _typed(question: str, hint: str) -> str:
    """Ask `question`, and wait for a line; nothing at the end of what the terminal gives."""
    loop, typed = asyncio.get_running_loop(), asyncio.Event()
    with _terminal("w", hint) as screen, _terminal("r", hint) as keyboard:
        print(question, end="", file=screen, flush=True)
        loop.add_reader(keyboard, typed.set)
        try:
            await typed.wait()
        finally:
            loop.remove_reader(keyboard)
        return keyboard.readline()


@contextlib.contextmanager
def _terminal(mode: Literal["r", "w"], hint: str) -> Iterator[TextIO]:
    # Once for each way: Python cannot open for both what cannot be sought in.
    try:
        terminal = Path("/dev/tty").open(mode, encoding="utf-8", errors="replace")  # noqa: SIM115
    except OSError:
        raise UsageError("there is no terminal to ask on", hint=hint) from None
    with terminal:
        yield terminal
