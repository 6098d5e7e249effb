"""The JSON schema that editors get: takes what borgpull takes, and shows no secret."""

import tomllib

import jsonschema
import pytest
from sample import GOOD, filled

from borgpull.config import json_schema

SCHEMA = json_schema()
# The ancestor's own spelling of it, which borgpull reads and the schema corrects.
DOCUMENTED = GOOD.replace("UserName", "Username")


def problems(text):
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(tomllib.loads(text))]


def tables(schema):
    return [schema, *schema["$defs"].values()]


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_good_config_passes(keys):
    assert problems(filled(DOCUMENTED, keys)) == []


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ('RootDir = "/home/backups"\n', "", "RootDir"),
        ("Jobs = 4", 'Jobs = "4"', "'4'"),
        ("Jobs = 4", "Jobs = 0", "minimum"),
        ("Jobs = 4", "Job = 4", "Job"),
        ('SourcePaths = ["/var/lib"]', 'SourcePaths = "/var/lib"', "/var/lib"),
        ('SourcePaths = ["/var/lib"]', "SourcePaths = []", "non-empty"),
        ("Passphrase = 'swordfish'\n", "", "Passphrase"),
    ],
)
def test_an_editor_marks_what_is_wrong(old, new, word):
    assert old in DOCUMENTED
    (said,) = problems(DOCUMENTED.replace(old, new, 1))
    assert word in said


def test_secrets_are_marked_as_such():
    properties = {name: entry for table in tables(SCHEMA) for name, entry in table["properties"].items()}
    secret = {name for name, entry in properties.items() if entry.get("writeOnly") and entry["format"] == "password"}
    assert secret == {"Passphrase", "PrivateKey", "Ping", "ProxyJumpPrivateKey"}


def test_each_key_is_explained_and_none_may_be_null():
    for table in tables(SCHEMA):
        for name, entry in table["properties"].items():
            assert entry["description"], name
            assert "null" not in str(entry), name
