"""A pseudo terminal with a program in it, read as somebody sees it who sits in front of it."""

import fcntl
import os
import select
import struct
import subprocess
import termios
import time

import pyte

PATIENCE = 30.0


class Terminal:
    """A pseudo terminal of a given size; `argv` runs in it, with a pipe as its stdin.

    `controlling`: it is the terminal of a session that `argv` leads, so that Ctrl-C and its end reach `argv`.
    """

    def __init__(self, argv, *, env, columns=80, rows=24, controlling=False):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.master, slave = os.openpty()
        self._tell_size(columns, rows)
        # What stands on the screen before the command must still be there after it.
        self.stream.feed(b"$ borgpull run\r\n")
        own = (lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0)) if controlling else None
        streams = {"stdin": subprocess.PIPE, "stdout": slave, "stderr": slave}
        self.process = subprocess.Popen(argv, env=env, start_new_session=controlling, preexec_fn=own, **streams)
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.close()

    def close(self):
        """Close it, as a terminal emulator that is closed does."""
        if self.master >= 0:
            os.close(self.master)
        self.master = -1

    def _tell_size(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        self.screen.resize(rows, columns)
        self._tell_size(columns, rows)

    def type(self, keys):
        os.write(self.master, keys)

    def say(self, word):
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()

    def read(self, timeout):
        """Take in what the program wrote; tell whether there may be more."""
        if not select.select([self.master], [], [], timeout)[0]:
            return True
        try:
            some = os.read(self.master, 65536)
        except OSError:
            return False
        self.raw += some
        self.stream.feed(some)
        return bool(some)

    def until(self, met):
        """Read until `met()`, and return the lines of the screen."""
        deadline = time.monotonic() + PATIENCE
        while not met():
            assert time.monotonic() < deadline, "\n".join(self.lines)
            assert self.read(0.1), "\n".join(self.lines)
        return self.lines

    def until_text(self, text):
        return self.until(lambda: any(text in line for line in self.lines))

    def ended(self):
        """Read to the end of the program, and return its exit code."""
        while self.read(PATIENCE):
            pass
        return self.process.wait(PATIENCE)

    @property
    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def headers(self):
        return [n for n, line in enumerate(self.lines) if line.startswith("target ")]

    def is_whole(self):
        return not self.screen.cursor.hidden and b"\x1b[?1049" not in self.raw
