"""Writes the page of all keys, docs/keys.md, from the config's model; with --check it fails when the page is another.

Beside it there is nothing to be written when a key is added: what a key is stands in borgpull/config/model.py.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import tomlkit
from pydantic.fields import FieldInfo

from borgpull.config.json_schema import sample
from borgpull.config.model import File
from borgpull.config.table import Table, header, keys_of, table_of

PAGE = Path(__file__).parent.parent / "docs" / "keys.md"
_HEAD = """\
# Every key of a config

Made by `scripts/reference.py` from the tables that borgpull reads with, as `borgpull config example` is. Keys are read
in any letter case. A duration is a number and `s`, `m`, `h` or `d`; a size is a number and `K`, `M`, `G`, `T` or `P`
(powers of 1000). What the options of a target do in detail: [options](options.md).
"""


def main(arguments: list[str]) -> int:
    """Write the page, or see whether it is right; return 1 when it is not."""
    page = _HEAD + "".join(_tables(File, "", {}))
    if arguments != ["--check"]:
        PAGE.write_text(page, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page:
        print(f"error: docs/{PAGE.name} is not what the config's model says: write it by `{Path(__file__).name}`")
        return 1
    return 0


def _tables(table: type[Table], place: str, told: dict[type[Table], str]) -> Iterator[str]:
    """Yield the chapters of the tables inside a table; what was told of one already is not told again."""
    for alias, field in keys_of(table).items():
        if inner := table_of(field):
            within = f"{place}.{alias}".lstrip(".")
            title = header(within, field)
            about = str(field.description)
            more = "" if field.is_required() else " May be left out."
            yield f"\n## `{title}`\n\n{about[0].upper()}{about[1:]}.{more}\n"
            yield from _keys(inner, told)
            if inner not in told:
                told[inner] = title
                yield from _tables(inner, within, told)


def _keys(table: type[Table], told: dict[type[Table], str]) -> Iterator[str]:
    known = [base for base in table.__mro__ if base in told]
    if known:
        yield f"\nThe keys of `{told[known[0]]}`{'.' if known[0] is table else ', and:'}\n"
    rows = [
        _row(alias, field)
        for alias, field in keys_of(table).items()
        if not table_of(field) and not (known and alias in keys_of(known[0]))
    ]
    if rows:
        yield "\n| key | what it says | such as |\n|---|---|---|\n" + "".join(rows)


def _row(alias: str, field: FieldInfo) -> str:
    written = tomlkit.item(value).as_string() if (value := sample(field)) else ""
    shown = f"`{written}`" if written and "\\n" not in written else ""
    return f"| `{alias}`{', needed' if field.is_required() else ''} | {field.description} | {shown} |\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
