"""`borgpull config add NEW-NAME`: put a new target into the text of a config, and change nothing else in it.

It prints nothing before the new config is checked. Its keys and passphrases go where the config goes, and are never
shown.
"""

from __future__ import annotations

import functools
import secrets
import sys
from collections.abc import Iterable
from pathlib import Path

from plumbum import cli

from ... import config, files, ssh
from ...config import NewTarget, address, rules
from ...config.add_target import conflict, last_username
from ...config.model_fields import problem_with
from ...errors import ConfigError, Failure, UsageError, command_line, target_party
from ...ui import console
from ...ui.console import message_note
from .. import prompts
from ..base import ConfiguredCommand, awaited, checked, private_directory
from ..exit_codes import DONE, OF_ADD

_BYTES_OF_A_PASSPHRASE = 32
_host, _user, _path, _pattern = (
    functools.partial(problem_with, rule) for rule in (address.host, address.user, rules.source_path, rules.exclude)
)


class Add(ConfiguredCommand):
    """Everything else in it stays as it was, comments too.

    It prompts for anything not given as an option, scans the host key and asks you to confirm its fingerprint. It
    generates the passphrase of the new repository. It prints nothing unless the new config is right.
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
        ["--fingerprint"], str, argname="SHA256:...", help="the host key's fingerprint, instead of the question"
    )
    in_place = cli.Flag(
        ["-i", "--in-place"], requires=["--config"], help="write to the FILE of --config instead of stdout"
    )

    def main(self, new_name: str) -> int:
        if not self.in_place and sys.stdout is not None and sys.stdout.isatty():
            cause = "the new config, with all its keys and passphrases, would be shown on this terminal"
            raise UsageError(cause, hint="redirect it, as in `| age -e ...`, or give --in-place with --config")
        with private_directory() as directory:
            text = self.text()
            _refuse_what_is_wrong_already(text, directory)
            target, public = self._target(new_name.strip(), text, directory)
            new_text = config.with_target(text, target)
            checked(new_text, directory)
            self._write(new_text)
        message_note(f"{target.name} was added. Put this line into ~{target.username}/.ssh/authorized_keys there:")
        message_note(f"restrict,port-forwarding {public} borgpull")
        message_note(f"Then check it: {command_line('doctor', target.name)}, with the new config.")
        return DONE

    def _target(self, name: str, text: str, directory: Path) -> tuple[NewTarget, str]:
        """Return the new target of the config `text`, and the public half of its key."""

        def sub_dir_problem(path: str) -> str | None:
            return problem_with(rules.sub_dir, path) or conflict(text, BorgTarget={"SubDir": path})

        if problem := problem_with(rules.name, name) or conflict(text, Name=name):
            raise UsageError(f"NEW-NAME {problem}", hint="choose another one")
        # Where the target's name could be its host or its folder, it is proposed.
        default_host = name if _host(name) is None else ""
        default_dir = name if sub_dir_problem(name) is None else ""
        default_user = last_username(text) or "root"
        host = _one("--host", self.host, "Host (name, name:port or address)", default_host, _host)
        username = _one("--user", self.user, "User to log in as", default_user, _user)
        source_paths = self._source_paths()
        sub_dir = _one("--sub-dir", self.sub_dir, "Repository below RootDir", default_dir, sub_dir_problem)
        key = self._key(directory)
        return NewTarget(
            name=name,
            source_paths=source_paths,
            excludes=_all_right("--exclude", self.exclude, _pattern),
            sub_dir=sub_dir,
            passphrase=secrets.token_urlsafe(_BYTES_OF_A_PASSPHRASE),
            host=host,
            username=username,
            known_host=self._known_host(name, host),
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

    def _source_paths(self) -> tuple[str, ...]:
        if self.source:
            return _all_right("--source", self.source, _path)
        paths = [_asked("--source", "Path to back up", "", _path)]
        while path := _asked("--source", "Another path (none: press Enter)", "", _optional(_path)):
            paths.append(path)
        return tuple(paths)

    def _key(self, directory: Path) -> ssh.Key:
        """Return the key to log in with, from a file or a new one."""

        def rule(name: str) -> str | None:
            try:
                return ssh.key_problem(directory, _key_text(name))
            except OSError as error:
                return f"cannot be read: {error.strerror}"
            except UnicodeDecodeError:
                return "is no private key"

        question = "File with the private key (a new key: press Enter)"
        name = "" if self.new_key else self.key_file
        if name is None:
            name = _asked("--key FILE or --new-key", question, "", _optional(rule))
        if not name:
            return ssh.new_key(directory)
        if problem := rule(name):
            raise UsageError(f"--key {name}: {problem}", hint="give another file, or --new-key")
        private = _key_text(name)
        return ssh.Key(private=private, public=ssh.public_key(private, directory))

    def _known_host(self, name: str, host: str) -> str:
        """Return the line for KnownHost, once its fingerprint is the one given or was confirmed. Raises Failure."""
        party, where = target_party(name), address.host(host)
        key = ssh.scan(where.name, where.port, party=party)
        if self.fingerprint and self.fingerprint != key.fingerprint:
            cause = f"its host key is another one than --fingerprint says: {key.fingerprint}"
            raise Failure(party, cause, hint="find out what answers there before you go on")
        question = (
            f"The host key of {where.name} port {where.port} (ED25519) has the fingerprint\n  {key.fingerprint}\n"
            "Run `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` there to see the right one.\nIs it the same?"
        )
        if not self.fingerprint and not awaited(prompts.confirm(question, hint="give --fingerprint SHA256:...")):
            raise Failure(party, "its host key was not confirmed; nothing was added", hint="compare the fingerprints")
        return key.known_host(where.name, where.port)


def _one(option: str, given: str | None, question: str, default: str, rule: prompts.Rule) -> str:
    """Return the value of an option, asked for on the terminal when it is not given. Raises UsageError."""
    if given is None:
        return _asked(option, question, default, rule)
    return _all_right(option, [given], rule)[0]


def _asked(option: str, question: str, default: str, rule: prompts.Rule) -> str:
    return awaited(prompts.answer(question, default=default, rule=rule, hint=f"give {option}"))


def _optional(rule: prompts.Rule) -> prompts.Rule:
    return lambda text: rule(text) if text else None


def _all_right(option: str, values: Iterable[str], rule: prompts.Rule) -> tuple[str, ...]:
    found = tuple(values)
    for value in found:
        if problem := rule(value):
            raise UsageError(f"{option} {problem}", hint=f"correct {option}")
    return found


def _key_text(name: str) -> str:
    return rules.key_for_ssh(Path(name).expanduser().read_text(encoding="utf-8"))


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
