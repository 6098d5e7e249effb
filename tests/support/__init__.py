"""Worlds to try borgpull in: a lab on loopback, or one whose hosts have a network namespace each.

It runs the real command as an operator would, and looks at what is left of the run, at B's disk, and at who
saw a secret. `reading` reads what a run said and waits for what it does, `following` acts in the middle of one.
"""

from .network import Network, needs_network_namespaces, network_of
from .place import ROOT, Result, World, borg_14, borg_of, loopback_world, python_of, walled_world
from .secrets import Sightings, found_on_disk, secrets_of, watching_for
from .sudo import LOGIN, LOGIN_ID, Sudoing, sudoing_world, unprivileged_server
