"""Questions on the terminal. Standard input is not asked: it holds the config."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, TextIO

from ..errors import UsageError

Rule = Callable[[str], str | None]


def agreed(question: str, *, otherwise: str) -> bool:
    """Ask for a yes. Raises UsageError without a terminal; `otherwise` is the hint."""
    with _asked(f"{question} [y/N] ", otherwise) as keyboard:
        return _is_yes(keyboard)


async def agreed_meanwhile(question: str, *, otherwise: str) -> bool:
    """Ask as `agreed` does, while all else goes on: the backup server has to hear that this controller lives."""
    with _asked(f"{question} [y/N] ", otherwise) as keyboard:
        await _typed(keyboard)
        return _is_yes(keyboard)


async def answer_meanwhile(question: str, *, rule: Rule, otherwise: str) -> str:
    """Ask as `answer` does, while all else goes on."""
    problem: str | None = ""
    while problem is not None:
        with _asked(f"That {problem}. {question}: " if problem else f"{question}: ", otherwise) as keyboard:
            await _typed(keyboard)
            text = keyboard.readline()
        if not text:
            raise UsageError("the terminal gave no answer", hint=otherwise)
        problem = rule(text.strip())
    return text.strip()


async def _typed(keyboard: TextIO) -> None:
    """Wait until there is a line to read."""
    loop = asyncio.get_running_loop()
    typed = asyncio.Event()
    loop.add_reader(keyboard, typed.set)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(keyboard)


@contextlib.contextmanager
def _asked(question: str, otherwise: str) -> Iterator[TextIO]:
    with _terminal("w", otherwise) as screen, _terminal("r", otherwise) as keyboard:
        print(question, end="", file=screen, flush=True)
        yield keyboard


def _is_yes(keyboard: TextIO) -> bool:
    return keyboard.readline().strip().lower() in {"y", "yes"}


def answer(question: str, *, default: str = "", rule: Rule, otherwise: str) -> str:
    """Ask for a text, again and again until `rule` finds nothing wrong with it; nothing typed is `default`.

    Raises UsageError without a terminal; `otherwise` is the hint.
    """
    with _terminal("w", otherwise) as screen, _terminal("r", otherwise) as keyboard:
        while True:
            print(f"{question}{f' [{default}]' if default else ''}: ", end="", file=screen, flush=True)
            line = keyboard.readline()
            if not line:
                raise UsageError("the terminal gave no answer", hint=otherwise)
            text = line.strip() or default
            problem = rule(text)
            if problem is None:
                return text
            print(f"  That {problem}.", file=screen, flush=True)


@contextlib.contextmanager
def _terminal(mode: Literal["r", "w"], otherwise: str) -> Iterator[TextIO]:
    # Once for each way: Python cannot open for both what cannot be sought in.
    try:
        terminal = Path("/dev/tty").open(mode, encoding="utf-8", errors="replace")  # noqa: SIM115
    except OSError:
        raise UsageError("there is no terminal to ask on", hint=otherwise) from None
    with terminal:
        yield terminal
