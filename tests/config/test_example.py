"""The example follows the schema: it says every key, and is a good config once it is filled in."""

import re
import tomllib

import pytest
from sample import filled

from borgpull.config import example, json_schema, read
from borgpull.config.model import PLACEHOLDER
from borgpull.errors import ConfigError

KEYS_TO_BE_FILLED_IN = {
    "ssh-ed25519 REPLACE-THIS-BY-WHAT-SSH-KEYSCAN-PRINTS": "{HOST_KEY}",
    PLACEHOLDER: "{B_KEY}",
    "ssh-ed25519-cert-v01@openssh.com REPLACE-THIS-BY-THE-FILE-FROM-YOUR-CA": "{B_CERTIFICATE}",
    'Passphrase = ""': 'Passphrase = "hunter2"',
}


@pytest.fixture
def filled_in(keys):
    text = example()
    for old, new in KEYS_TO_BE_FILLED_IN.items():
        assert old in text
        text = text.replace(old, filled(new, keys))
    return text


def all_set(text):
    """Return the example with every key that may be left out."""
    return re.sub(r"^#(?=[^ #\n])", "", text, flags=re.MULTILINE)


def test_filled_in_it_is_a_good_config(filled_in, checks):
    assert [target.name for target in read(filled_in, **checks).targets] == ["web1"]


def test_so_it_is_with_every_key_set(filled_in, keys, checks):
    assert len(all_set(filled_in)) < len(filled_in)
    # There are two forms for what is on the way, and for the key, of which only one may be used.
    one_form = re.sub(r"\n# [^\n]*\n#\[\[[A-Za-z.]*\.Jumps\]\]\n.*?(?=\n\n|\Z)", "", filled_in, flags=re.DOTALL)
    one_form = re.sub(r"\n#PrivateKeyCommand = .*", "", one_form)
    assert len(one_form) < len(filled_in)
    config = read(all_set(one_form).replace(PLACEHOLDER, keys["T_KEY"]), **checks)
    assert config.targets[0].connection.jumps
    assert config.targets[0].excludes


def test_every_key_of_the_schema_occurs():
    schema = json_schema()
    tree = tomllib.loads(all_set(example()))
    assert keys_of(tree) == expected(schema, schema["$defs"])


def keys_of(tree):
    if isinstance(tree, list) and isinstance(tree[0], dict):
        return keys_of(tree[0])
    return {key: keys_of(value) for key, value in tree.items()} if isinstance(tree, dict) else None


def expected(table, tables):
    found = {}
    for key, entry in table["properties"].items():
        reference = entry.get("$ref") or entry.get("items", {}).get("$ref")
        found[key] = expected(tables[reference.rpartition("/")[2]], tables) if reference else None
        if "additionalProperties" in entry:
            # The keys of a group are those of [Borg.Defaults].
            found[key] = {"laptops": {}}
    return found


def test_it_proposes_no_root_login_on_the_backup_server():
    assert tomllib.loads(example())["Borg"]["Server"]["Username"] == "borg"


def test_nobody_can_run_with_it(checks):
    with pytest.raises(ConfigError) as caught:
        read(example(), **checks)
    places = [problem.cause.split(":")[0].split(" ")[0] for problem in caught.value.problems]
    for place in ("Borg.Server.PrivateKey", "Servers[0].BorgTarget.Passphrase", "Servers[0].Connection.PrivateKey"):
        assert place in places
