"""Which source paths the Excludes of a target leave out whole, as borg matches patterns (1.2.4, 1.4.5: patterns.py)."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterable

_STYLED = re.compile(r"(fm|sh|pp|pf|re):(.*)", re.DOTALL)
# A name that no pattern means alone: what fits it fits whatever lies in a folder.
_ANY_NAME = "\uffff"
_SHELL = {"**/": "(?:[^/]*/)*", "*": "[^/]*", "?": "[^/]"}


def left_out(path: str, excludes: Iterable[str]) -> bool:
    """Tell whether one of the patterns fits a source path, or whatever lies in it; those in `re:` are not looked at."""
    bare = posixpath.normpath(path).lstrip("/")
    return any(_fits(pattern, each) for pattern in excludes for each in (bare, f"{bare}/{_ANY_NAME}".lstrip("/")))


def _fits(pattern: str, path: str) -> bool:
    found = _STYLED.fullmatch(pattern)
    style, text = (found[1], found[2]) if found else ("fm", pattern)
    whole = posixpath.normpath(text).lstrip("/")
    match style:
        case "pf":
            return path == whole
        case "pp":
            return f"{path}/".startswith(f"{whole}/")
        case "re":
            return False
    deeper = "/" if text.endswith("/") else ""
    if style == "fm":
        return re.match(fnmatch.translate(f"{whole}/*{deeper}"), f"{path}/") is not None
    words = re.split(r"(\*\*/|\*|\?)", f"{whole}/**/*{deeper}")
    return re.fullmatch("".join(_SHELL.get(word) or re.escape(word) for word in words), f"{path}/") is not None
