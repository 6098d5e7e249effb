"""Notifies a monitor over https of a run, and runs the operator's command after it. Errors are returned, never raised.

A monitor that is down costs some seconds. Nothing here reads a report.
"""

from .hook import on_finish
from .ping import Ping
