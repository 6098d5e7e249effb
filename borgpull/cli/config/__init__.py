"""`borgpull config`: what helps to write a config. `add` has a file of its own, and one for what it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbum import cli

from ...answers import Checked
from ...errors import ConfigError
from ..command import Command, ConfiguredCommand, Group, private_directory
from ..exits import DONE, OF_CHECK, WRONG

if TYPE_CHECKING:
    from ...config import Connection


class ConfigCommands(Group):
    """Write a config, add to it, and see whether it is right; no target and no backup server is asked to do anything.

    Only `add` contacts anybody: the host that it adds, for its host key.
    """

    PROGNAME = "borgpull config"


class Example(Command):
    """Print a commented config to begin with, with every key that there is.

    Its keys are no keys and its passphrases are empty: `borgpull config check` refuses it until they are yours.
    """

    PROGNAME = "borgpull config example"

    def main(self) -> int:
        from ... import config  # noqa: PLC0415 - `--help` shall answer at once
        from ...ui import console  # noqa: PLC0415

        console.data(config.example())
        return DONE


class Check(ConfiguredCommand):
    """See whether a config is right, as a run would, and name all of its problems at once. Nobody is contacted.

    Whether the hosts can be reached, and the keys open them, is for `borgpull doctor` to say.
    """

    PROGNAME = "borgpull config check"
    EXIT_CODES = OF_CHECK
    json = cli.Flag(["--json"], help="print the answer as JSON")

    def main(self) -> int:
        from ...ui import console, doctor  # noqa: PLC0415

        with private_directory() as directory:
            try:
                config = self.config(directory)
            except ConfigError as error:
                if not self.json:
                    raise
                console.data(Checked(problems=tuple(error.problems)).text)
                return WRONG
        self._tell([target.name for target in config.targets], _shown(config.server))
        return DONE

    def _tell(self, targets: list[str], server: str) -> None:
        from ...ui import console, doctor  # noqa: PLC0415

        if self.json:
            console.data(Checked(targets=tuple(targets), server=server).text)
        else:
            console.answer(doctor.right_lines(targets, server=server))


def _shown(server: Connection) -> str:
    name, port = server.host.name, server.host.port
    return f"{server.username}@" + (f"[{name}]:{port}" if ":" in name else f"{name}:{port}")


class Schema(Command):
    """Print the JSON schema of configs, by which editors complete keys and explain them.

    Save it beside the config, and let the config's first line be `#:schema ./borgpull.schema.json`: taplo and Even
    Better TOML read that. Keys may be written in any letter case; the schema spells them as the documentation does.
    """

    PROGNAME = "borgpull config schema"

    def main(self) -> int:
        import json  # noqa: PLC0415 - `--help` shall answer at once

        from ... import config  # noqa: PLC0415
        from ...ui import console  # noqa: PLC0415

        console.data(json.dumps(config.json_schema(), indent=2))
        return DONE


ConfigCommands.subcommand("example", Example)
ConfigCommands.subcommand("check", Check)
ConfigCommands.subcommand("add", "borgpull.cli.config.add.Add")
ConfigCommands.subcommand("schema", Schema)
Check.unbind_switches("--cache-dir")
