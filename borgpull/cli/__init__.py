"""The command line: one file a command, named as the command; `app` has the list of them.

`base` and `prompts` are what they share, `exit_codes` is the one table of exit codes, `help` writes the help of each.

Commands read options and hand over; they compute nothing. Imports of heavy rooms wait until a command runs.
"""
