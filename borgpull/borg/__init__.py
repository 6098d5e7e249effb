"""What borgpull knows of borg: its commands, its output, its failures, its files. Runs nothing.

Read in the sources and tried on Borg 1.2.4 and 1.4.5; where the two differ, the comment says so.
"""

# The exit status of a borg that did its work, and warned.
WARNED = 1
