"""Lets only an honest session of `borg create` through from a target's borg to `borg serve` on the backup server.

It knows Borg's protocol of 1.1 to 1.4 and no ssh, starts nothing and decrypts nothing. It encodes again whatever it
lets through, so that the backup server cannot read the same bytes in another way.
"""

from .messages import Refused
from .relay import GateReport, pass_gate, through_gate
