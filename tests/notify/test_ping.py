"""The protocol of Healthchecks, and a monitor that is down: it costs seconds, and nobody learns the URL."""

import socket
import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgpull.notify import Ping
from support.monitor import Monitor, monitor_running


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    with monitor_running() as running:
        yield running


@pytest.fixture
def no_pause(monkeypatch) -> None:
    monkeypatch.setattr("borgpull.notify.ping._PAUSE", 0.01)


def told(url: str, code: int = 0, body: str = "", **options: float) -> str:
    ping = Ping(url, **options)
    ping.start()
    return ping.finish(code, body, well=code == 0)


def test_a_run_is_a_start_and_an_end_of_one_run_id(monitor):
    assert told(monitor.url, body="2 targets: 2 done\n") == ""
    start, end = monitor.heard
    assert [start.path, end.path] == ["/ping/0a1b-secret/start", "/ping/0a1b-secret"]
    assert {start.method, end.method} == {"POST"}
    assert start.query == end.query
    assert uuid.UUID(start.query["rid"][0])
    assert (start.body, end.body) == ("", "2 targets: 2 done\n")


@pytest.mark.parametrize("code", [2, 3, 4, 130, 143])
def test_a_failure_is_told_by_its_exit_code(monitor, code):
    assert told(monitor.url, code) == ""
    assert monitor.paths == ["/ping/0a1b-secret/start", f"/ping/0a1b-secret/{code}"]


def test_the_query_of_a_slug_stays_and_the_path_grows_before_it(monitor):
    assert told(monitor.url + "/?create=1", 2) == ""
    assert monitor.paths[1] == "/ping/0a1b-secret/2"
    assert monitor.heard[1].query["create"] == ["1"]


@pytest.mark.usefixtures("no_pause")
def test_a_monitor_that_stumbles_is_asked_again(monitor):
    monitor.answers = [200, 503, 500]
    assert told(monitor.url) == ""
    assert monitor.paths[1:] == ["/ping/0a1b-secret"] * 3


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize("answers", [[200, 404], [200, 503, 503, 503], [200, 302]])
def test_a_monitor_that_refuses_is_told_of_by_its_status_and_nobody_is_followed_elsewhere(monitor, answers):
    monitor.answers = [*answers]
    assert told(monitor.url) == f"it answered with HTTP status {answers[-1]}"
    assert len(monitor.heard) == len(answers)


@pytest.mark.usefixtures("no_pause")
def test_nobody_listens():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert told(f"http://127.0.0.1:{probe.getsockname()[1]}/secret") == "Connection refused"


def test_a_monitor_that_never_answers_does_not_hold_up_the_end(monitor):
    monitor.hold.clear()
    problem = told(monitor.url, seconds=60, patience=0.4)
    assert problem == "it did not answer within 0 s"
    assert monitor.paths[-1] == "/ping/0a1b-secret", "it was told all the same"


@pytest.mark.usefixtures("no_pause")
def test_a_server_that_speaks_nonsense_is_no_traceback_and_shows_no_url():
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/secret"
        ping = Ping(url, patience=5)

        def nonsense() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(65536)
                    peer.sendall(b"\x1b[2J secret \x00\r\n" * 3)

        thread = threading.Thread(target=nonsense, daemon=True)
        thread.start()
        problem = ping.finish(0, "", well=True)
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)
    assert problem.startswith("no answer (")
    assert "secret" not in problem


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    argv += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "pem"]
    subprocess.run(argv, check=True, capture_output=True)
    (folder / "both").write_bytes((folder / "key").read_bytes() + (folder / "pem").read_bytes())
    return folder


@pytest.mark.usefixtures("no_pause")
def test_a_certificate_that_nobody_vouches_for_is_refused(certificate):
    with monitor_running(certificate=certificate / "both") as monitor:
        assert "certificate verify failed" in told(monitor.url)
        assert monitor.heard == []


@pytest.mark.usefixtures("no_pause")
def test_a_certificate_of_an_authority_of_ones_own_is_taken(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "pem"))
    with monitor_running(certificate=certificate / "both") as monitor:
        assert told(monitor.url) == ""


def test_https_goes_through_the_proxy_of_the_environment_and_http_to_this_machine_never(monitor, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(60)
        for name in ("https_proxy", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert told(monitor.url) == ""
        ping = Ping("https://hc.invalid/secret")
        ping.start()
        peer, _ = proxy.accept()
        with peer:
            assert peer.recv(65536).startswith(b"CONNECT hc.invalid:443 ")
