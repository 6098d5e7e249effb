"""The file of `run --metrics`: as it was, and replaced whole, so that nobody ever reads half of one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from ..errors import UsageError

_HINT = "name a file in a folder that exists and that this user may write to"


class Textfile:
    """A file for node_exporter's textfile collector, which reads those that are called *.prom."""

    def __init__(self, name: str) -> None:
        """Refuse, before anything is backed up, what could not be written later. Raises UsageError."""
        self._path = Path(name)
        folder = self._path.parent
        if self._path.exists() and not self._path.is_file():
            raise UsageError(f"--metrics {name}: is not a file", hint=_HINT)
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(f"--metrics {name}: a file cannot be made in {folder}", hint=_HINT)

    def read(self) -> str:
        """Return what the file holds; nothing, where there is none or it cannot be read."""
        try:
            return self._path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def replace(self, text: str) -> None:
        """Put a file with `text` in its place that everybody may read. Raises OSError, and the old one stays."""
        # Beside it, or it could not be renamed; and not called *.prom, or it would be read before it is whole.
        handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", suffix=".new", dir=self._path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
