"""What is in an archive, item by item, as `borg list --json-lines` prints it. All of it was written by T: hostile text.

Nothing is cleaned here, for who compares needs it as it is; whoever shows it cleans it.
"""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, InstanceOf, StrictBool

from ..results import Item

_HUGE = 1 << 63
# What T wrote need not be Unicode.
_Text = InstanceOf[str]
_Number = Annotated[int, Field(strict=True, gt=-_HUGE, lt=_HUGE)]
# Borg prints the number of an owner that has no name.
_Owner = Annotated[_Text | Annotated[int, Field(strict=True)], AfterValidator(str)]


class _Line(BaseModel):
    mode: Annotated[_Text, Field(min_length=1)]
    user: _Owner
    group: _Owner
    uid: _Number
    gid: _Number
    size: _Number
    modified: _Text = Field(alias="isomtime")
    path: _Text
    link: _Text = Field(alias="source")
    healthy: StrictBool
    sha256: _Text = ""


def read_item(line: bytes) -> Item | None:
    """Read one line of `borg list --json-lines` with the format of ours; None when it is none."""
    try:
        read = _Line.model_validate(json.loads(line))
    except (ValueError, RecursionError):
        return None
    return Item(kind=read.mode[0], **vars(read))
