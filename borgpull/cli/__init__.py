"""The command line: one file a command, named as the command; `app` has the list of them.

`command` and `targets` are what they share, `exits` the one table of exit codes, `help` what each says of itself.

Commands read options and hand over; they compute nothing. Imports of heavy rooms wait until a command runs.
"""
