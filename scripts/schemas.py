"""Makes docs/*.schema.json of what commands answer; with --check it changes nothing, and fails where one is stale."""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from borgpull import results

DOCS = Path(__file__).parent.parent / "docs"
_REPORTS = {
    "doctor": (results.Examined, ""),
    "check": (results.Checked, ""),
    "status": (results.StatusReport, ""),
    "list": (
        results.ArchiveList | results.FileList,
        "What `borgpull list --json` prints on stdout: `archives` of a target, or the `files` of one `archive`. "
        "Sizes are bytes. Names are as they are in the archive, with all that is not ASCII escaped: they are untrusted "
        'text. In the name of a file, Borg has "?" for each byte that is not UTF-8.',
    ),
    "find": (results.FoundFiles, ""),
    "restore": (results.Restored, ""),
    "drill": (results.Drills, ""),
}
# With --why alone.
_OPTIONAL = {"kept", "rule"}


class _Written(GenerateJsonSchema):
    """The schema of what is written: each field is always there, and no other one."""

    def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: ANN401 - pydantic's own shape
        return True

    def ser_schema(self, schema: Any) -> dict[str, Any] | None:  # noqa: ANN401
        # A serializer that wraps leaves something out, and says no more of the rest than the model does.
        return None if schema["type"] == "function-wrap" else super().ser_schema(schema)


def main(arguments: list[str]) -> int:
    stale = [file for file, text in texts().items() if not file.exists() or file.read_text(encoding="utf-8") != text]
    for file in stale:
        if "--check" in arguments:
            print(f"error: docs/{file.name} is stale\nhint: `make docs`")
        else:
            file.write_text(texts()[file], encoding="utf-8")
    return int("--check" in arguments and bool(stale))


def texts() -> dict[Path, str]:
    return {DOCS / f"{name}.schema.json": _text(name, *report) for name, report in _REPORTS.items()}


def _text(name: str, kind: Any, about: str) -> str:  # noqa: ANN401
    schema = TypeAdapter(kind).json_schema(mode="serialization", schema_generator=_Written)
    head = {
        "$schema": GenerateJsonSchema.schema_dialect,
        "title": f"borgpull {'config check' if name == 'check' else name}",
        **({"description": about} if about else {}),
    }
    return json.dumps(head | _plain(schema), indent=2, ensure_ascii=False) + "\n"


def _plain(node: Any) -> Any:  # noqa: ANN401 - any part of a JSON schema
    """Return a part of pydantic's schema without titles and defaults, and objects closed."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return " ".join(node.split()) if isinstance(node, str) else node
    kept = {key: _plain(value) for key, value in node.items() if key not in {"title", "default", "readOnly"}}
    if "properties" not in kept:
        return kept
    required = [name for name in kept["properties"] if name not in _OPTIONAL]
    return kept | {"required": required, "additionalProperties": False}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
