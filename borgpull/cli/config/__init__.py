"""`borgpull config`: what helps to write a config. One file a command; `app` and this one load none of them."""

from __future__ import annotations

from ..command import Group


class ConfigCommands(Group):
    """Write a config, add to it, and see whether it is right; no target and no backup server is asked to do anything.

    Only `add` contacts anybody: the host that it adds, for its host key.
    """

    PROGNAME = "borgpull config"


ConfigCommands.subcommand("example", "borgpull.cli.config.example.Example")
ConfigCommands.subcommand("check", "borgpull.cli.config.check.Check")
ConfigCommands.subcommand("add", "borgpull.cli.config.add.Add")
ConfigCommands.subcommand("schema", "borgpull.cli.config.schema.Schema")
