"""`borgpull config add NEW-NAME`: put a new target into the text of a config, and change nothing else in it.

Nothing is printed before the new config was found to be right. Its keys and passphrases go where the config goes, and
are never shown.
"""

from __future__ import annotations

import functools
import secrets
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from plumbum import cli

from ... import config, files, ssh
from ...config import NewTarget, address, rules
from ...config.add_target import conflict, last_username
from ...config.table import problem_with
from ...errors import ConfigError, Failure, UsageError, target_party
from ...ssh import Key
from ...ui import console
from ...ui.console import message_note
from .. import prompts
from ..base import ConfiguredCommand, awaited, checked, private_directory
from ..exit_codes import DONE, OF_ADD

_BYTES_OF_A_PASSPHRASE = 32
_Rule = Callable[[str], str | None]
_host, _user, _path, _pattern = (
    functools.partial(problem_with, rule) for rule in (address.host, address.user, rules.source_path, rules.exclude)
)


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
            target, public = self._target(_Questions(self, text, directory), new_name.strip())
            new_text = config.with_target(text, target)
            checked(new_text, directory)
            self._write(new_text)
        self._tell(target, public)
        return DONE

    @staticmethod
    def _target(questions: _Questions, name: str) -> tuple[NewTarget, str]:
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


class _Questions:
    """The questions about one target, for the config `text`; `directory` is private and in memory."""

    def __init__(self, options: Add, text: str, directory: Path) -> None:
        self._options = options
        self._text = text
        self._directory = directory

    def refuse_name(self, name: str) -> None:
        """Raise UsageError for a name that the new target cannot have."""
        if problem := problem_with(rules.name, name) or conflict(self._text, Name=name):
            raise UsageError(f"NEW-NAME {problem}", hint="choose another one")

    def host(self, name: str) -> str:
        """Return the host as the config spells it; the target's name is proposed where it could be one."""
        default = name if _host(name) is None else ""
        return self._one("--host", self._options.host, "Host (name, name:port or address)", default, _host)

    def username(self) -> str:
        default = last_username(self._text) or "root"
        return self._one("--user", self._options.user, "User to log in as", default, _user)

    def source_paths(self) -> tuple[str, ...]:
        if self._options.source:
            return _all_right("--source", self._options.source, _path)
        paths = [self._asked("--source", "Path to back up", "", _path)]
        while path := self._asked("--source", "Another path (none: press Enter)", "", _one_more_path):
            paths.append(path)
        return tuple(paths)

    def excludes(self) -> tuple[str, ...]:
        """Return the patterns to leave out; they are not asked for."""
        return _all_right("--exclude", self._options.exclude, _pattern)

    def sub_dir(self, name: str) -> str:
        """Return the repository's path below RootDir; the target's name is proposed where it could be one."""

        def rule(text: str) -> str | None:
            return problem_with(rules.sub_dir, text) or conflict(self._text, BorgTarget={"SubDir": text})

        default = name if rule(name) is None else ""
        return self._one("--sub-dir", self._options.sub_dir, "Repository below RootDir", default, rule)

    def key(self) -> Key:
        """Return the key to log in with, from a file or a new one."""
        if self._options.new_key:
            return ssh.new_key(self._directory)
        question = "File with the private key (a new key: press Enter)"
        name = self._options.key_file or self._asked("--key FILE or --new-key", question, "", self._key_file_problem)
        if not name:
            return ssh.new_key(self._directory)
        if problem := self._key_file_problem(name):
            raise UsageError(f"--key {name}: {problem}", hint="give another file, or --new-key")
        private = _key_text(name)
        return ssh.Key(private=private, public=ssh.public_key(private, self._directory))

    def known_host(self, name: str, host: str) -> str:
        """Return the line for KnownHost, once its fingerprint is the one given or was confirmed. Raises Failure."""
        party, where = target_party(name), address.host(host)
        key = ssh.scan(where.name, where.port, party=party)
        wanted = self._options.fingerprint
        if wanted and wanted != key.fingerprint:
            cause = f"its host key is another one than --fingerprint says: {key.fingerprint}"
            raise Failure(party, cause, hint="find out who answers there before you go on")
        question = (
            f"The host key of {where.name} port {where.port} (ED25519) has the fingerprint\n  {key.fingerprint}\n"
            "There, `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` tells the right one.\nIs it the same?"
        )
        if not wanted and not awaited(prompts.confirm(question, hint="give --fingerprint SHA256:...")):
            raise Failure(party, "its host key was not confirmed; nothing was added", hint="compare the fingerprints")
        return key.known_host(where.name, where.port)

    def _one(self, option: str, given: str | None, question: str, default: str, rule: _Rule) -> str:
        if given is None:
            return self._asked(option, question, default, rule)
        return _all_right(option, [given], rule)[0]

    @staticmethod
    def _asked(option: str, question: str, default: str, rule: _Rule) -> str:
        return awaited(prompts.answer(question, default=default, rule=rule, hint=f"give {option}"))

    def _key_file_problem(self, name: str) -> str | None:
        if not name:
            return None
        try:
            text = _key_text(name)
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            return "is no private key"
        return ssh.key_problem(text, self._directory)


def _key_text(name: str) -> str:
    return rules.key_for_ssh(Path(name).expanduser().read_text(encoding="utf-8"))


def _all_right(option: str, values: Iterable[str], rule: _Rule) -> tuple[str, ...]:
    found = tuple(values)
    for value in found:
        if problem := rule(value):
            raise UsageError(f"{option} {problem}", hint=f"correct {option}")
    return found


def _one_more_path(text: str) -> str | None:
    return _path(text) if text else None


def _refuse_what_is_wrong_already(text: str, directory: Path) -> None:
    """Raise ConfigError for what is wrong with a config, but not for having no target yet."""
    if not text.strip():
        raise UsageError("the config is empty", hint="begin with `borgpull config example > config.toml`")
    try:
        checked(text, directory)
    except ConfigError as error:
        problems = [problem for problem in error.problems if problem.place != ("Servers",)]
        if problems:
            raise ConfigError(problems) from None


Add.unbind_switches("--cache-dir")
