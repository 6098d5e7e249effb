"""Which archives stay, by which rule, and which go: borg's retention rules, for each series by itself.

Pure: archives, rules and the time are given, the answer is a record. It removes nothing and knows no repository.
"""

from .archives import Archive, ArchiveState, Retention, archive_name, is_checkpoint, is_main, series_of, stream_of
from .decide import DAYS_SET_ASIDE, MOST_SET_ASIDE, decide
from .oddities import Facts, Finding, Limits, Oddity, Source, ends, oddities
from .rules import Rules
