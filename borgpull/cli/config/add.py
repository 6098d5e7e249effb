"""`borgpull config add NEW-NAME`: put a new target into the text of a config, and change nothing else in it.

Nothing is printed before the new config was found to be right. Its keys and passphrases go where the config goes, and
are never shown.
"""

from __future__ import annotations

import dataclasses
import secrets
import shlex
import sys
from pathlib import Path

from plumbum import cli

from ... import config, files
from ...config import NewTarget
from ...errors import ConfigError, UsageError
from ...ui import console
from ...ui.console import message_note
from ..command import ConfiguredCommand, checked, private_directory
from ..exits import DONE, OF_ADD
from .questions import Options, Questions

_BYTES_OF_A_PASSPHRASE = 32


class Add(ConfiguredCommand):
    """All else in it stays as it was, comments too.

    What no option says is asked for on the terminal. The host is asked for its key, and you for whether it is the right
    one. The passphrase of the new repository is made here. Nothing is printed unless the new config is right.
    """

    EXIT_CODES = OF_ADD
    host = cli.SwitchAttr(["--host"], str, argname="HOST", help="the machine: name, name:port, IPv4 or [IPv6]:port")
    user = cli.SwitchAttr(["--user"], str, argname="USER", help="the user to log in as")
    source = cli.SwitchAttr(["--source"], str, argname="PATH", list=True, help="a path to back up")
    exclude = cli.SwitchAttr(["--exclude"], str, argname="PATTERN", list=True, help="what to leave out, e.g. *.tmp")
    sub_dir = cli.SwitchAttr(["--sub-dir"], str, argname="PATH", help="the repository's path below RootDir")
    key_file = cli.SwitchAttr(["--key"], str, argname="FILE", help="the private key to log in with")
    new_key = cli.Flag(["--new-key"], excludes=["--key"], help="make a new key to log in with")
    fingerprint = cli.SwitchAttr(
        ["--fingerprint"], str, argname="SHA256:...", help="the host key's fingerprint; nobody is asked then"
    )
    in_place = cli.Flag(
        ["-i", "--in-place"], requires=["--config"], help="write to the FILE of --config instead of stdout"
    )

    def main(self, new_name: str) -> int:
        if not self.in_place and sys.stdout is not None and sys.stdout.isatty():
            cause = "the new config, with all its keys and passphrases, would be shown on this terminal"
            raise UsageError(cause, hint="lead it elsewhere, as in `| age -e ...`, or give --in-place with --config")
        with private_directory() as directory:
            text = self.text()
            _refuse_what_is_wrong_already(text, directory)
            options = Options(**{option.name: getattr(self, option.name) for option in dataclasses.fields(Options)})
            target, public = self._target(Questions(options, text, directory), new_name.strip())
            new_text = config.added(text, target)
            checked(new_text, directory)
            self._write(new_text)
        self._tell(target, public)
        return DONE

    @staticmethod
    def _target(questions: Questions, name: str) -> tuple[NewTarget, str]:
        """Return the new target and the public half of its key."""
        questions.refuse_name(name)
        host = questions.host(name)
        username = questions.username()
        source_paths = questions.source_paths()
        sub_dir = questions.sub_dir(name)
        key = questions.key()
        return NewTarget(
            name=name,
            source_paths=source_paths,
            excludes=questions.excludes(),
            sub_dir=sub_dir,
            passphrase=secrets.token_urlsafe(_BYTES_OF_A_PASSPHRASE),
            host=host,
            username=username,
            known_host=questions.known_host(name, host),
            private_key=key.private,
        ), key.public

    def _write(self, text: str) -> None:
        if not self.in_place:
            console.data(text)
            return
        file = Path(self.config_file).resolve()
        try:
            files.replace(file, text.encode())
        except OSError as error:
            cause = f"--in-place {file}: {error.strerror}; it is as it was"
            raise UsageError(cause, hint="leave --in-place out, and write to another file") from None

    @staticmethod
    def _tell(target: NewTarget, public: str) -> None:
        message_note(f"{target.name} was added. Put this line into ~{target.username}/.ssh/authorized_keys there:")
        message_note(f"restrict,port-forwarding {public} borgpull")
        message_note(
            f"Then see whether a backup would go: `borgpull doctor {shlex.quote(target.name)}`, with the new config."
        )


def _refuse_what_is_wrong_already(text: str, directory: Path) -> None:
    """Raise ConfigError for what is wrong with a config, but not for having no target yet."""
    if not text.strip():
        raise UsageError("the config is empty", hint="begin with `borgpull config example > config.toml`")
    try:
        checked(text, directory)
    except ConfigError as error:
        problems = [problem for problem in error.problems if not problem.startswith("Servers: ")]
        if problems:
            raise ConfigError(problems) from None


Add.unbind_switches("--cache-dir")
