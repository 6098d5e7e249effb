"""Notifies a monitor of a run as Healthchecks has it: URL/start, then URL after a success, else URL/CODE.

Both requests have the same `rid`, by which the monitor tells runs apart and measures them. The URL is a secret: whoever
knows it can report success. It is in no message.
"""

from __future__ import annotations

import math
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
    """The monitor of one run. Its threads are daemons: they end with the process at the latest."""

    def __init__(self, url: str, *, seconds: float = SECONDS, patience: float = PATIENCE) -> None:
        self._url = urlsplit(url)
        self._rid = str(uuid.uuid4())
        self._seconds = seconds
        self._patience = patience
        self._ending = threading.Event()
        self._start: threading.Thread | None = None
        # Some networks need `https_proxy`; it sees only the name of the host. urllib obeys `no_proxy`.
        proxies = {scheme: proxy for scheme, proxy in urllib.request.getproxies().items() if scheme == "https"}
        self._opener = urllib.request.build_opener(_NoRedirect(), urllib.request.ProxyHandler(proxies))

    def start(self) -> None:
        """Report that the run begins, without waiting and without an error: `finish` has one if it lasts."""
        self._start = threading.Thread(target=self._retry, args=("start", b"", [], self._ending, math.inf), daemon=True)
        self._start.start()

    def finish(self, exit_code: int, body: str, *, well: bool) -> str:
        """Report how the run ended; return what went wrong with that, "" when nothing did. Never raises."""
        deadline = time.monotonic() + self._patience
        self._ending.set()
        if self._start is not None:
            # A start that came last would say that the run goes on. One that hangs does not take all the time.
            self._start.join(self._patience / 2)
        problems: list[str] = []
        event = "" if well else str(exit_code)
        arguments = (event, body.encode(), problems, threading.Event(), deadline)
        thread = threading.Thread(target=self._retry, args=arguments, daemon=True)
        thread.start()
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            return f"it did not answer within {self._patience:.0f} s"
        return problems[-1] if problems else ""

    def _retry(self, event: str, body: bytes, problems: list[str], stop: threading.Event, deadline: float) -> None:
        """Send a request until the monitor takes it; leave in `problems` what went wrong the last time."""
        for attempt in range(1, _ATTEMPTS + 1):
            problem, final = self._send(event, body)
            problems[:] = [problem] if problem else []
            late = time.monotonic() + _PAUSE > deadline
            if not problem or final or late or attempt == _ATTEMPTS or stop.wait(_PAUSE):
                return

    def _send(self, event: str, body: bytes) -> tuple[str, bool]:
        """Send a request once; return what went wrong, and whether another attempt is useless."""
        try:
            # The config allows only https, or http to this machine.
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
            # Whatever a server makes the library raise, the backup is done. The text may contain the URL.
            return clean(f"no answer ({type(error).__name__})"), False
        return "", False

    def _address(self, event: str) -> str:
        path = f"{self._url.path.rstrip('/')}/{event}" if event else self._url.path
        query = "&".join(filter(None, [self._url.query, f"rid={self._rid}"]))
        return urlunsplit(self._url._replace(path=path, query=query))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the next address might be plain http, or somebody else's."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Return None: a redirect is an error."""
