"""Evidence of a repository before and after a target's session, and the verdict on it.

Pure: reads bytes, answers with records. It starts nothing, asks nobody, and believes no word of the target's.
"""

from .evidence import (
    MOST_LIST,
    Archive,
    Evidence,
    from_json,
    read_archives,
    read_evidence,
    read_listed,
    read_new,
    refuse_too_many,
    still_holds,
    to_json,
)
from .records import File, Records, TooMany, Unreadable, read_records
from .verdict import Expected, State, Verdict, judge, judge_maintenance, judge_unlisted, operator_changes, unverifiable
