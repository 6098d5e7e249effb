"""PruneSetting and PruneAlso: borg's retention options, and nothing else.

The text ends up in the argv of borg; anything but `--keep-*` could turn it into another command.
"""

from __future__ import annotations

import difflib
import re
import shlex

from .model_fields import Invalid, refuse

_COUNTED = (
    *("--keep-last", "--keep-secondly", "--keep-minutely", "--keep-hourly", "--keep-daily", "--keep-weekly"),
    *("--keep-monthly", "--keep-yearly", "--keep-13weekly", "--keep-3monthly"),
)
_WITHIN = "--keep-within"
_KNOWN = (_WITHIN, *_COUNTED)
# To borg these are one option; of the two quarterly ones it takes only one (1.4.5).
_SAME = {"--keep-secondly": "--keep-last", "--keep-3monthly": "--keep-13weekly"}
_SHORT = {"-H": "hourly", "-d": "daily", "-w": "weekly", "-m": "monthly", "-y": "yearly"}
_COUNT = re.compile(r"-?[0-9]{1,9}")
_INTERVAL = re.compile(r"0*[1-9][0-9]{0,5}[Hdwmy]")
_SHOWABLE = re.compile(r"--?[A-Za-z0-9][A-Za-z0-9-]{0,29}")
_EXAMPLE = "write e.g. `--keep-daily 7 --keep-weekly 8`"


def options(setting: str) -> tuple[str, ...]:
    """Return the options as `--keep-NAME=VALUE`."""
    found: dict[str, str] = {}
    try:
        words = shlex.split(setting)
    except ValueError:
        raise Invalid("has a quote that is not closed: close it, or remove the quotes") from None
    while words:
        option, equals, value = words.pop(0).partition("=")
        _check_option(option)
        if not equals:
            value = words.pop(0) if words else ""
        _check_value(option, value)
        if _SAME.get(option, option) in {_SAME.get(other, other) for other in found}:
            raise Invalid(f"`{option}` is given twice, in one form or another: keep one of them")
        found[option] = value
    refuse(not any(value.lstrip("-0") for value in found.values()), f"keeps nothing: {_EXAMPLE}")
    return tuple(f"{option}={value}" for option, value in found.items())


def prefix(text: str) -> str:
    """Judge a prefix of PruneAlso."""
    refuse(not text, "is empty: write the beginning of the names, e.g. `home-`")
    refuse(text.startswith("@"), "begins with `@`: archives of streams need no prefix")
    refuse("snapshot-" in text, "contains `snapshot-`: borgpull's own archives need no prefix")
    if re.search(r"[{}/*?\[\]\x00-\x1f]", text):
        raise Invalid("contains a character that borg reads as a pattern or placeholder: write it as the names have it")
    return text


def _check_option(option: str) -> None:
    if option in _KNOWN:
        return
    if option in _SHORT:
        raise Invalid(f"`{option}` is a short form: write `--keep-{_SHORT[option]}`")
    shown = f"`{option}`" if _SHOWABLE.fullmatch(option) else "something in it"
    nearest = difflib.get_close_matches(option.lower(), _KNOWN, n=1)
    remedy = f"did you mean `{nearest[0]}`?" if nearest else f"only --keep-* options are allowed here: {_EXAMPLE}"
    raise Invalid(f"{shown} is not a retention option: {remedy}")


def _check_value(option: str, value: str) -> None:
    if option == _WITHIN:
        if not _INTERVAL.fullmatch(value):
            raise Invalid(f"`{option}` needs a number and one of H d w m y: write e.g. `{option} 2d`")
    elif not _COUNT.fullmatch(value):
        raise Invalid(f"`{option}` needs a whole number: write e.g. `{option} 7`")
