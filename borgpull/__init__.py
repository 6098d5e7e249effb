"""Back up many servers with BorgBackup in pull mode, close to zero trust."""

import platform

# plumbum asks for all of it when it is imported, and Python would start `uname -p` for this part (3.11 to 3.13).
platform.uname().__dict__["processor"] = ""

__version__ = "0.1.0"
