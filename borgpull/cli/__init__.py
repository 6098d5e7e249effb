"""The command line: one file a command, named as the command; `app` holds the one table of exit codes.

Commands read options and hand over; they compute nothing. Imports of heavy rooms wait until a command runs.
"""
