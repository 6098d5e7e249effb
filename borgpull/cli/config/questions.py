"""What `config add` has to know about a new target: each from its option or, where that is missing, asked for.

An answer is judged at once, by the same rules as the config itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ... import ssh
from ...config import address, block, fields, keytext
from ...config.table import problem_with
from ...errors import Failure, UsageError, target_party
from ...ssh import Key
from .. import asking
from ..command import awaited

_Rule = Callable[[str], str | None]
_host, _user, _path, _pattern = (
    functools.partial(problem_with, rule) for rule in (address.host, address.user, fields.source_path, fields.exclude)
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was said of a new target on the command line: None or nothing where it was not."""

    host: str | None
    user: str | None
    source: list[str]
    exclude: list[str]
    sub_dir: str | None
    key_file: str | None
    new_key: bool
    fingerprint: str | None


class Questions:
    """The questions about one target, for the config `text`; `directory` is private and in memory."""

    def __init__(self, options: Options, text: str, directory: Path) -> None:
        self._options = options
        self._text = text
        self._directory = directory

    def refuse_name(self, name: str) -> None:
        """Raise UsageError for a name that the new target cannot have."""
        if problem := block.name_problem(self._text, name):
            raise UsageError(f"NEW-NAME {problem}", hint="choose another one")

    def host(self, name: str) -> str:
        """Return the host as the config spells it; the target's name is proposed where it could be one."""
        default = name if _host(name) is None else ""
        return self._one("--host", self._options.host, "Host (name, name:port or address)", default, _host)

    def username(self) -> str:
        default = block.last_username(self._text) or "root"
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
            return block.sub_dir_problem(self._text, text)

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
        if not wanted and not awaited(asking.agreed(question, otherwise="give --fingerprint SHA256:...")):
            raise Failure(party, "its host key was not confirmed; nothing was added", hint="compare the fingerprints")
        return key.known_host(where.name, where.port)

    def _one(self, option: str, given: str | None, question: str, default: str, rule: _Rule) -> str:
        if given is None:
            return self._asked(option, question, default, rule)
        return _all_right(option, [given], rule)[0]

    @staticmethod
    def _asked(option: str, question: str, default: str, rule: _Rule) -> str:
        return awaited(asking.answer(question, default=default, rule=rule, otherwise=f"give {option}"))

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
    return keytext.private_key(Path(name).expanduser().read_text(encoding="utf-8"))


def _all_right(option: str, values: Iterable[str], rule: _Rule) -> tuple[str, ...]:
    found = tuple(values)
    for value in found:
        if problem := rule(value):
            raise UsageError(f"{option} {problem}", hint=f"correct {option}")
    return found


def _one_more_path(text: str) -> str | None:
    return _path(text) if text else None
