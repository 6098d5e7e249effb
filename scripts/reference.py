"""Writes docs/config.md, the page of all config keys, from the config's model; with --check it fails if that is stale.

A new key needs no change here: borgpull/config/model.py says everything about it.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import tomlkit
from pydantic.fields import FieldInfo

from borgpull.config.json_schema import sample
from borgpull.config.model import File
from borgpull.config.model_fields import Table, header, keys_of, table_of

PAGE = Path(__file__).parent.parent / "docs" / "config.md"
_HEAD = """\
# Every config key

`make docs` generates this page from the config model, like `borgpull config example`. [Write a config](setup.md) says
how to use the keys. borgpull ignores their letter case. A duration is a number and `s`, `m`, `h` or `d`; a size is a
number and `K`, `M`, `G`, `T` or `P` (powers of 1000).
"""


def main(arguments: list[str]) -> int:
    """Write the page, or check it; return 1 if it is stale."""
    page = _HEAD + "".join(_tables(File, "", {}))
    if arguments != ["--check"]:
        PAGE.write_text(page, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page:
        print(f"error: docs/{PAGE.name} is stale\nhint: `make docs`")
        return 1
    return 0


def _tables(table: type[Table], place: str, titles: dict[type[Table], str]) -> Iterator[str]:
    """Yield the chapters of the tables inside a table; `titles` names the tables that already have their chapter."""
    for alias, field in keys_of(table).items():
        if inner := table_of(field):
            within = f"{place}.{alias}".lstrip(".")
            title = header(within, field)
            about = str(field.description)
            more = "" if field.is_required() else " Optional."
            yield f"\n## `{title}`\n\n{about[0].upper()}{about[1:]}.{more}\n"
            yield from _keys(inner, titles)
            if inner not in titles:
                titles[inner] = title
                yield from _tables(inner, within, titles)


def _keys(table: type[Table], titles: dict[type[Table], str]) -> Iterator[str]:
    known = [base for base in table.__mro__ if base in titles]
    if known:
        yield f"\nThe keys of `{titles[known[0]]}`{'.' if known[0] is table else ', and:'}\n"
    rows = [
        _row(alias, field)
        for alias, field in keys_of(table).items()
        if not table_of(field) and not (known and alias in keys_of(known[0]))
    ]
    if rows:
        yield "\n| key | meaning | default | example |\n|---|---|---|---|\n" + "".join(rows)


def _row(alias: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else _shown(field.default)
    example = _shown(field.examples[0]) if field.examples and sample(field) != field.default else ""
    return f"| `{alias}` | {field.description} | {default} | {example} |\n"


def _shown(value: object) -> str:
    """Return a value as a config has it; nothing for an empty one, or one of several lines."""
    written = tomlkit.item(value).as_string() if value or value is False else ""
    return f"`{written}`" if written and "\\n" not in written else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
