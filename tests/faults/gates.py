"""Gates that hold up a host or a borg at a chosen moment, until the test opens them.

A gate is a file in a folder: whoever comes to it leaves word, and waits while it is there. What goes through an open
gate is as honest and as quick as without it.
"""

import os
import pwd
import shlex
from pathlib import Path

PYTHON_OF_BORG = "/usr/bin/python3"
_BORG = Path(__file__).with_name("held_borg.py")


class Gates:
    """The gates in one folder. `HOST.connect` is in the middle of the authentication, `HOST.look` before a session's
    command, `REPOSITORY.COMMAND` in the middle of what a borg does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.borg = str(folder / "bin" / "borg")
        place = Path(self.borg)
        place.parent.mkdir(parents=True)
        place.write_text(f'#!/bin/sh\nexec {PYTHON_OF_BORG} {shlex.quote(str(_BORG))} {folder} "$@"\n')
        place.chmod(0o755)

    def shut(self, *names: str) -> None:
        """Hold up whoever comes to these moments from now on."""
        for name in names:
            self._word(name).unlink(missing_ok=True)
            (self._folder / name).touch()

    def open(self, *names: str) -> None:
        """Let whoever waits at these gates go on; at all of them, if none is named."""
        for place in [self._folder / name for name in names] or self._folder.iterdir():
            if place.is_file() and not place.name.startswith("keys."):
                place.unlink()

    def reached(self, *names: str) -> bool:
        """Tell whether somebody waits at each of these gates."""
        return all(self._word(name).exists() for name in names)

    def sshd_lines(self, host: str) -> tuple[str, ...]:
        """Return what the sshd of a host is told first, so that it comes to the gates of this name."""
        keys = f"{self._waiting(f'{host}.connect')}; cat {self._keys(host)}"
        return (
            "AuthorizedKeysFile none",
            f"AuthorizedKeysCommandUser {pwd.getpwuid(os.getuid()).pw_name}",
            f'AuthorizedKeysCommand /bin/sh -c "{keys}"',
            f'ForceCommand {self._waiting(f"{host}.look")}; exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"',
        )

    def admit(self, host: str, authorized_keys: str) -> None:
        """Let these keys in to a host with our lines in its sshd's configuration."""
        self._keys(host).write_text(authorized_keys)

    def _waiting(self, name: str) -> str:
        gate = self._folder / name
        return f"if [ -e {gate} ]; then : >{self._word(name)}; while [ -e {gate} ]; do sleep 0.02; done; fi"

    def _word(self, name: str) -> Path:
        return self._folder / f"{name}.reached"

    def _keys(self, host: str) -> Path:
        return self._folder / f"keys.{host}"
