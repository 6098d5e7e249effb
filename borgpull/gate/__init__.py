"""What a borg on T says to `borg serve` on B, read on its way: an honest session of `borg create`, and nothing else.

Borg's protocol alone, as its versions 1.1 to 1.4 speak it: it knows no ssh, starts nothing, decrypts nothing. What it
lets through is written anew from what it read, so that B can never read the same bytes in another way.
"""

from .messages import Refused
from .relay import GateReport, pass_gate, through_gate
