"""What `doctor` looks at on C, on B and on each T, and what it makes of it. Nothing is changed anywhere.

On T a folder below its TMPDIR comes and goes, for a road can only be tried with a fresh socket.
"""

from .checks import Checks
from .controller import can_go_on, check_controller, require
from .repository import check_repository
from .server import check_server
from .socket_activation import check_local_state, check_socket_activation
from .target import check_target
