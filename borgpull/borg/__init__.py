"""What borgpull knows of borg: its commands, output, failures and files. It runs nothing.

Read in the sources of Borg 1.2.4 and 1.4.5, and tried; where the two differ, the comment says so.
"""

# The exit status of a borg that finished with warnings.
WARNED = 1
# What it may be with BORG_EXIT_CODES=modern (1.4); 126 and 127 are a shell's, for a program that it cannot run.
WARNINGS = (WARNED, *range(100, 126))
