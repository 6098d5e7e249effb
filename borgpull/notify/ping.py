"""Tells a monitor of a run in the words of Healthchecks: URL/start, then URL when all is well, else URL/CODE.

Both bear the same `rid`, so that the monitor can tell runs apart and how long each took. The URL is a secret: whoever
knows it can say that all is well. It is in no message.
"""

from __future__ import annotations

import threading
import time
import urllib.request
import uuid
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit

from .. import __version__
from ..untrusted import clean

SECONDS = 10.0
"""How long one attempt may take between two bytes."""
PATIENCE = 20.0
"""How long the end of a run waits for the monitor, in all."""
_ATTEMPTS = 3
_PAUSE = 2.0
_MOST_ANSWER = 1024


class Ping:
    """A monitor and one run. It is asked in threads of its own, which end with the process at the latest."""

    def __init__(self, url: str, *, seconds: float = SECONDS, patience: float = PATIENCE) -> None:
        self._url = urlsplit(url)
        self._rid = str(uuid.uuid4())
        self._seconds = seconds
        self._patience = patience
        self._ending = threading.Event()
        self._start: threading.Thread | None = None
        self._opener = urllib.request.build_opener(_NoRedirect(), urllib.request.ProxyHandler(_proxies()))

    def start(self) -> None:
        """Tell it that a run begins, and wait for nothing. Only of the end it is said when that goes wrong."""
        self._start = self._thread("start", b"", [])

    def finish(self, exit_code: int, body: str, *, well: bool) -> str:
        """Tell it how the run ended; return what went wrong with that, empty when nothing did. Never raises."""
        deadline = time.monotonic() + self._patience
        self._ending.set()
        if self._start is not None:
            # The order tells the monitor whether it still runs. A start that hangs does not take all the time.
            self._start.join(self._patience / 2)
        problems: list[str] = []
        thread = self._thread("" if well else str(exit_code), body.encode(), problems, deadline=deadline)
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            return f"it did not answer within {self._patience:.0f} s"
        return problems[-1] if problems else ""

    def _thread(
        self, event: str, body: bytes, problems: list[str], *, deadline: float | None = None
    ) -> threading.Thread:
        thread = threading.Thread(
            target=self._try, args=(event, body, problems, deadline), daemon=True, name=f"ping {event}"
        )
        thread.start()
        return thread

    def _try(self, event: str, body: bytes, problems: list[str], deadline: float | None) -> None:
        """Send it some times, until it is taken; leave what went wrong in `problems`, nothing when it was taken."""
        for attempt in range(_ATTEMPTS):
            problem, final = self._send(event, body)
            problems[:] = [problem] if problem else []
            if not problem or final or attempt == _ATTEMPTS - 1:
                return
            if deadline is None:
                if self._ending.wait(_PAUSE):
                    return
            elif time.monotonic() + _PAUSE > deadline:
                return
            else:
                time.sleep(_PAUSE)

    def _send(self, event: str, body: bytes) -> tuple[str, bool]:
        """Send it once; return what went wrong, and whether that is for somebody to mend."""
        try:
            # The scheme is https, or http to this machine: the config was checked.
            request = urllib.request.Request(self._address(event), data=body, method="POST")  # noqa: S310
            request.add_header("User-Agent", f"borgpull/{__version__}")
            request.add_header("Content-Type", "text/plain; charset=utf-8")
            with self._opener.open(request, timeout=self._seconds) as answer:
                answer.read(_MOST_ANSWER)
        except HTTPError as error:
            error.close()
            return f"it answered with HTTP status {error.code}", error.code < 500
        except URLError as error:
            reason = error.reason.strerror if isinstance(error.reason, OSError) else ""
            return clean(reason or str(error.reason)), False
        except Exception as error:
            # Whatever a server can make of a library, the backup is done. The text may hold the URL.
            return clean(f"no answer ({type(error).__name__})"), False
        return "", False

    def _address(self, event: str) -> str:
        path = f"{self._url.path.rstrip('/')}/{event}" if event else self._url.path
        query = "&".join(filter(None, [self._url.query, f"rid={self._rid}"]))
        return urlunsplit(self._url._replace(path=path, query=query))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """No monitor sends us elsewhere: the next address might be plain http, or somebody else's."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow nobody: the answer is the error that it is."""


def _proxies() -> dict[str, str]:
    # `https_proxy` is how some networks let anything out; it sees the name of the host, no more. `no_proxy` is obeyed.
    proxy = urllib.request.getproxies().get("https")
    return {"https": proxy} if proxy else {}
