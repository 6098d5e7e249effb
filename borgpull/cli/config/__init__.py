"""`borgpull config`: help to write a config. `add` has a file of its own."""

from __future__ import annotations

import json
from typing import ClassVar

from plumbum import cli

from ... import config
from ...config import Connection, settings_of
from ...errors import ConfigError
from ...fleet.selection import target_named
from ...results import Checked, Setting
from ...ui import console, doctor
from ..base import ConfiguredCommand, checked, private_directory
from ..exit_codes import DONE, OF_CHECK, WRONG
from ..help import Command, Group


class Config(Group):
    """None of these commands changes a target or the backup server.

    Only `add` contacts a host: the new target, for its host key.
    """

    COMMANDS: ClassVar = {
        "example": "Print a commented config to begin with; it has every key.",
        "check": "Check a config as a run would, and name all of its problems at once.",
        "add": "Print the config with a new target NEW-NAME at its end.",
        "schema": "Print the JSON schema of configs, for editors to complete and explain keys.",
    }


class Example(Command):
    """It has placeholders for keys and no passphrases: `borgpull config check` refuses it until you replace them."""

    def main(self) -> int:
        console.data(config.example())
        return DONE


class Check(ConfiguredCommand):
    """It contacts no host.

    `borgpull doctor` checks that the hosts can be reached and accept the keys.
    """

    EXIT_CODES = OF_CHECK
    json = cli.Flag(["--json"], help="print the answer as JSON")
    show = cli.SwitchAttr(["--show"], str, argname="NAME", help="print what holds for a target, and where it is set")

    def main(self) -> int:
        with private_directory() as directory:
            try:
                text = self.text()
                config = checked(text, directory)
            except ConfigError as error:
                if not self.json:
                    raise
                console.data(Checked(problems=tuple(problem.cause for problem in error.problems)).text)
                return WRONG
        settings: tuple[Setting, ...] = ()
        if self.show:
            found = settings_of(text, config, target_named(config, self.show).name)
            settings = tuple(Setting(key=key, value=value, source=source) for key, value, source in found)
        names = tuple(target.name for target in config.targets)
        report = Checked(targets=names, server=_shown(config.server), settings=settings)
        console.print_result(report, doctor.right_lines(report), as_json=self.json)
        return DONE


def _shown(server: Connection) -> str:
    name, port = server.host.name, server.host.port
    return f"{server.username}@" + (f"[{name}]:{port}" if ":" in name else f"{name}:{port}")


class Schema(Command):
    """Save it beside the config, and make `#:schema ./borgpull.schema.json` the config's first line: taplo and Even
    Better TOML read that. Keys can have any letter case in a config; the schema spells them as the documentation does.
    """

    def main(self) -> int:
        console.data(json.dumps(config.json_schema(), indent=2))
        return DONE


Config.subcommand("example", Example)
Config.subcommand("check", Check)
Config.subcommand("add", "borgpull.cli.config.add.Add")
Config.subcommand("schema", Schema)
Check.unbind_switches("--cache-dir")
