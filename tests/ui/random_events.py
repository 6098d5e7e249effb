"""Events in any order, with any text and any number: what no run should send, and a hostile T may."""

from __future__ import annotations

import unicodedata

from hypothesis import strategies as st
from scenes import START

from borgpull.events import (
    ArchiveCreated,
    ArchiveProgress,
    CommandFinished,
    Estimated,
    Failed,
    Noted,
    Outcome,
    PercentProgress,
    RunFinished,
    RunStarted,
    Said,
    Step,
    StepFinished,
    StepSkipped,
    StepStarted,
    TargetFinished,
    Warned,
)

names = st.sampled_from(["web1", "db1", "[red]x[/red]", "名前", ""])
times = st.floats(min_value=START, max_value=START + 1000)
numbers = st.integers(min_value=-(10**6), max_value=10**12) | st.sampled_from([0, 10**400, -(10**400)])
words = st.text(max_size=40) | st.sampled_from(["\x1b[2J\x1b]0;owned\x07", "[bold red]x[/]", "a\nb\rc", "\u202eevil"])
# A restore is no run: it has no report.
steps = st.sampled_from([step for step in Step if step is not Step.EXTRACT])
common = {"target": names, "at": times}
named = {"target": names.filter(bool), "at": times}

one_event = st.one_of(
    st.builds(
        RunStarted,
        target=st.just(""),
        at=times,
        targets=st.lists(names.filter(bool), max_size=4).map(tuple),
        jobs=st.integers(1, 8),
    ),
    st.builds(StepStarted, **named, step=steps, detail=words),
    st.builds(StepFinished, **named, step=steps, outcome=st.sampled_from(Outcome), detail=words),
    st.builds(StepSkipped, **named, step=steps, reason=words),
    st.builds(Estimated, **named, original_size=numbers, files=numbers),
    st.builds(ArchiveProgress, **named, original_size=numbers, deduplicated_size=numbers, files=numbers, path=words),
    st.builds(PercentProgress, **named, step=steps, current=numbers, total=numbers, message=words),
    st.builds(
        ArchiveCreated,
        **named,
        name=words,
        archive_id=words,
        original_size=numbers,
        deduplicated_size=numbers,
        files=numbers,
        stream=words,
    ),
    st.builds(CommandFinished, **named, command=words, status=numbers, output=st.lists(words, max_size=3).map(tuple)),
    st.builds(Said, **common, party=words, text=words),
    st.builds(Warned, **common, text=words, hint=words),
    st.builds(Noted, **common, text=words),
    st.builds(Failed, **common, party=words, cause=words, hint=words, findings=st.lists(words, max_size=3).map(tuple)),
    st.builds(TargetFinished, **named, outcome=st.sampled_from(Outcome)),
    st.builds(RunFinished, target=st.just(""), at=times, outcome=st.sampled_from(Outcome)),
)
any_events = st.lists(one_event, max_size=40)


def is_harmless(letter: str) -> bool:
    """Tell whether `letter` can neither move a cursor nor turn the direction of the text."""
    return unicodedata.category(letter)[0] != "C" and letter not in "\u2028\u2029"
