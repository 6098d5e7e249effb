"""Back from the repository: files of a verified archive, on the controller or on the target, and the drill."""

from .drill import drill
from .restore import Wanted, restore
