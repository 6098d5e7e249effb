"""The config's JSON schema, by which editors complete and explain keys. It follows the models by itself.

It knows less than `reading`: whether a key opens a host, or two targets are in each other's way, no schema can say.
"""

from __future__ import annotations

from typing import Any

from .schema import File

_ABOUT = (
    "The config of borgpull, a TOML file. borgpull reads keys in any letter case; they are spelled here as in its "
    "documentation. `borgpull config check` sees more than this schema does."
)


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a whole config; passphrases and private keys are writeOnly, of format password."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "borgpull config"}
    return {**head, **_plain(File.model_json_schema(by_alias=True)), "description": _ABOUT}


def _plain(node: Any) -> Any:  # noqa: ANN401 - any part of a JSON schema
    """Return a part of pydantic's schema without its made-up titles, and without null, which TOML has not."""
    if isinstance(node, list):
        return [_plain(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _plain(value) for key, value in node.items() if not _is_made_up(key, value)}
    kinds = [kind for kind in kept.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del kept["anyOf"]
        return kinds[0] | kept
    return kept


def _is_made_up(key: str, value: object) -> bool:
    if key == "title":
        return isinstance(value, str)
    return key == "default" and (value is None or isinstance(value, dict))
