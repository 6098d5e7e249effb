"""What `doctor` looks at on C, on B and on each T, and what it makes of it. Nothing is changed anywhere.

On T a folder below its TMPDIR comes and goes, for a road can only be tried with a fresh socket.
"""

from .controller import can_go_on, look_at_controller, require
from .repository import look_at_repository
from .server import look_at_server
from .sheet import Sheet
from .sockets import look_at_sockets, look_at_state
from .target import look_at_target
