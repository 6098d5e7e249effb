"""How many examples Hypothesis tries where a test says so itself: all of them in the thorough profile, else a part."""

from hypothesis import settings

_USUAL = 100


def examples(most: int) -> int:
    """Return `most`, or the share of it that the profile has of Hypothesis' own hundred, if that is less."""
    return min(most, max(3, most * settings().max_examples // _USUAL))
