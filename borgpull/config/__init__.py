"""The config: from TOML text to settings that can be trusted, or all problems at once, each naming its place.

It starts no process, opens no file and contacts nobody; what needs ssh's own tools is asked of callbacks.
No value of a config is ever quoted in a message, names of targets apart.
"""

from .address import Host
from .block import NewTarget, added
from .fields import Road
from .model import Config, Connection, Jump, Notify, Options, Stream, Target
from .published import example, json_schema
from .reading import read
