"""The config: from TOML text to settings that can be trusted, or all problems at once, each with its place.

It starts no process, opens no file and contacts nobody; callbacks run ssh's own tools. No message quotes a value of a
config, except names of targets.
"""

from .add_target import NewTarget, with_target
from .address import Host
from .json_schema import example, json_schema
from .load import read
from .model import Config, Connection, Jump, Notify, Options, Stream, Target
from .rules import Transport
from .shown import settings_of
