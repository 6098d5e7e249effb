"""From a borg client, on a target or on the controller, to a constrained `borg serve` on the backup server.

Each socket takes one connection, once. The bytes go from it to an ssh master without passing through Python.
"""

from .borg_cache import drop_cache, forget_location, known_ids, manifest_time
from .forwarding import ForwardedSocket, forward_socket
from .local_borg import BorgResult, LocalBorg, Reader, borg_on_controller, borg_passthrough
from .preflight import Facts, Preflight, ask_preflight
from .serve import BackupServer, OnOutput, Root, ServeRequest
from .socket_activation import forwarded_socket, no_serve_answers, probe_serve
from .target_borg import END_SECONDS, run_on_target
from .target_commands import CreateArchive, CreateFromCommand, DeleteCache, ExtractArchive, TargetCommand, TryTransport
from .target_scripts import BORG_HOME
