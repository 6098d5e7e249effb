"""Runs under a borg's own Python, whose start takes longer than what borg does here: an argv of borg a line.

Each is run by borg's `main` in a process of its own. What it says ends in a line of its exit status.
"""

import json
import os
import sys

from borg.archiver import main

for line in sys.stdin:
    pid = os.fork()
    if not pid:
        sys.argv = ["borg", *json.loads(line)]
        main()
    _, status = os.waitpid(pid, 0)
    print("ended:", os.waitstatus_to_exitcode(status), flush=True)
