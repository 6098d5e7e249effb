"""What a malicious T may print where borg's stdout and stderr are expected. Needs neither borg nor a connection."""

import json
import os
import sys

ESCAPES = "\x1b[2J\x1b]0;owned\x07[bold red]markup[/] \u202egnp.exe\u202c \u009b31m done\r\n"


def write(stream, data, times=1):
    """Write bytes as they are; a reader that has gone away is no error."""
    try:
        for _ in range(times):
            stream.buffer.write(data)
        stream.flush()
    except BrokenPipeError:
        os._exit(1)


def hostile_text():
    """Escape sequences, rich markup, bidi controls and invalid UTF-8, plain and as borg's JSON messages."""
    for level in ("WARNING", "ERROR"):
        record = {"type": "log_message", "levelname": level, "name": "borg", "message": ESCAPES * 3, "msgid": ESCAPES}
        write(sys.stderr, json.dumps(record).encode() + b"\n")
    progress = {"type": "archive_progress", "original_size": 10**40, "deduplicated_size": -5, "nfiles": "x"}
    write(sys.stderr, json.dumps(progress | {"path": ESCAPES}).encode() + b"\n")
    write(sys.stderr, ESCAPES.encode() + b"\xff\xfe\x00\xc3\x28\n")
    write(sys.stdout, ESCAPES.encode() + b"\xff\xfe\x00\xc3\x28\n")
    return 1


def endless_line():
    """A line without an end, on both streams."""
    write(sys.stderr, b"A" * 65536, times=2048)
    write(sys.stdout, b'{"archive": {"name": "' + b"A" * 65536, times=512)
    return 0


def flood():
    """A gigabyte of warnings."""
    record = {"type": "log_message", "levelname": "WARNING", "name": "borg", "message": "w" * 900, "msgid": "x"}
    write(sys.stderr, (json.dumps(record).encode() + b"\n") * 64, times=16 * 1024)
    return 1


def wrong_json():
    """JSON of shapes that borg never prints, among them a very deep one."""
    shapes = ["[]", "null", '{"archive": 5}', '{"archive": {"name": [], "id": {}, "stats": 1}}', "[" * 100_000]
    for shape in shapes:
        write(sys.stderr, shape.encode() + b"\n")
        write(sys.stdout, shape.encode() + b"\n")
    return 0


OUTPUTS = {function.__name__: function for function in (hostile_text, endless_line, flood, wrong_json)}
