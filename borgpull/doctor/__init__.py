"""What `doctor` checks on the controller, on the backup server and on each target. It changes nothing anywhere.

On a target a folder below its TMPDIR comes and goes: the transport can only be tried with a fresh socket, by a borg
that gets no answer.
"""

from .checks import Checks
from .controller import can_go_on, check_controller, check_state_dir, require
from .repository import check_repository
from .server import check_server
from .socket_activation import check_socket_activation
from .target import check_target
