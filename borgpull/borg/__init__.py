"""What borgpull knows of borg: its commands, output, failures and files. It runs nothing.

Read in the sources of Borg 1.2.4 and 1.4.5, and tried; where the two differ, the comment says so.
"""

# The exit status of a borg that finished with warnings.
WARNED = 1
