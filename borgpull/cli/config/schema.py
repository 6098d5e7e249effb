"""`borgpull config schema`: the JSON schema of configs, for editors."""

from __future__ import annotations

from ..command import Command
from ..exits import DONE


class Schema(Command):
    """Print the JSON schema of configs, by which editors complete keys and explain them.

    Save it beside the config, and let the config's first line be `#:schema ./borgpull.schema.json`: taplo and Even
    Better TOML read that. Keys may be written in any letter case; the schema spells them as the documentation does.
    """

    PROGNAME = "borgpull config schema"

    def main(self) -> int:
        """Print; return the exit code."""
        import json  # noqa: PLC0415 - `--help` shall answer at once

        from ... import config  # noqa: PLC0415
        from ...ui import console  # noqa: PLC0415

        console.data(json.dumps(config.json_schema(), indent=2))
        return DONE
