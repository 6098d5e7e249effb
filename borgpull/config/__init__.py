"""The config: from TOML text to settings that can be trusted, or all problems at once, each naming its place.

It starts no process, opens no file and contacts nobody; what needs ssh's own tools is asked of callbacks.
No value of a config is ever quoted in a message, names of targets apart.
"""

from .add_target import NewTarget, added
from .address import Host
from .json_schema import example, json_schema
from .load import read
from .model import Config, Connection, Jump, Notify, Options, Stream, Target
from .rules import Transport
