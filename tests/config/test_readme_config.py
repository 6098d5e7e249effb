"""The config in the README is complete: with keys in the place of its dots a run would take it."""

import re
import tomllib

from sample import filled

from borgpull.config import read
from support import ROOT

(CONFIG,) = re.findall(r"^```toml\n(.+?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
DOTS = [
    ("KnownHost", '"[backup.example.org]:2222 {HOST_KEY}"'),
    ("Passphrase", '"hunter2 and more"'),
    ("KnownHost", '"web1.example.org {HOST_KEY}"'),
]


def names(table: dict) -> set[str]:
    """Return the names of all keys that have a value of their own."""
    found = set()
    for name, value in table.items():
        for inner in value if isinstance(value, list) else [value]:
            found |= names(inner) if isinstance(inner, dict) else {name}
    return found


def test_the_config_of_the_readme_is_right(keys, checks):
    text = CONFIG
    for name, value in DOTS:
        text = text.replace(f'{name} = "..."', f"{name} = {value}", 1)
    for name, key in (("backup-server", "B_KEY"), ("web1", "T_KEY")):
        text = text.replace(f"all of the file {name}\n", keys[key])
    config = read(filled(text, keys), **checks)
    assert [target.name for target in config.targets] == ["web1"]


def test_it_has_ten_keys():
    assert len(names(tomllib.loads(CONFIG))) == 10
