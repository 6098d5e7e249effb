"""What the operator sees, made from events alone.

Knows no target, job or connection: only what they said happened.
"""

from .display import open_display
