"""A monitor on this machine that takes pings as Healthchecks does, and can be down in several ways."""

import contextlib
import http.server
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Heard:
    """One request."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: str


@dataclass
class Monitor:
    """`url` is that of one check; `answers` are the statuses of the next requests, 200 after them."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)

    @property
    def paths(self) -> list[str]:
        return [each.path for each in self.heard]


def _handler(monitor: Monitor) -> Callable[..., http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            url = urllib.parse.urlsplit(self.path)
            monitor.heard.append(Heard(self.command, url.path, urllib.parse.parse_qs(url.query), body))
            monitor.hold.wait(60)
            status = monitor.answers.pop(0) if monitor.answers else 200
            with contextlib.suppress(ConnectionError):
                self.send_response(status)
                self.send_header("Location", monitor.url + "/elsewhere")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"OK")

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@contextlib.contextmanager
def monitor_running(*, certificate: Path | None = None) -> Iterator[Monitor]:
    """Start one; with `certificate` (a PEM file with its key) it speaks TLS."""
    monitor = Monitor()
    monitor.hold.set()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(monitor))
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    monitor.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}/ping/0a1b-secret"
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield monitor
    finally:
        monitor.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()
