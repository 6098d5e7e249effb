"""Back from the repository: files of a verified archive, on the controller or on the target; to look for them; and the
drill.
"""

from .drill import drill
from .find import find, pattern_of
from .restore import Wanted, restore
