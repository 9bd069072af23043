"""Fetching for others: from a real TLS server, and never from inside."""

import ipaddress
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from modelyard.control.references.errors import (
    ReferenceForbiddenError,
    ReferenceTooLargeError,
    ReferenceUnreachableError,
)
from modelyard.control.references.fetching import Fetcher, is_public

LOOPBACK = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        status, content = {"/data.csv": (200, b"a,b\n1,2\n"), "/large": (200, b"x" * 5000)}.get(self.path, (404, b""))
        self.send_response(status)
        if self.path == "/large":
            self.send_header("Connection", "close")  # its size is not announced
        else:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def port(authority: trustme.CA) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fetcher(authority: trustme.CA, port: int, monkeypatch) -> Fetcher:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", port))])
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return Fetcher([f"localhost:{port}", "*.example.com"], 1000, allows=LOOPBACK.__contains__, context=context)


def test_a_file_is_fetched_over_tls_and_through_redirects(fetcher, port, tmp_path: Path):
    fetcher.fetch(f"https://localhost:{port}/data.csv", tmp_path / "one")
    fetcher.fetch(f"https://localhost:{port}/to//data.csv", tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes() == b"a,b\n1,2\n"


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:{port}/data.csv",
        "https://user@localhost:{port}/data.csv",
        "https://localhost:99999/data.csv",
        "https://localhost/data.csv",
        "https://other.org/data.csv",
        "https://example.com/data.csv",
        "https://evil-example.com/data.csv",
        "https://localhost:{port}/to/https://other.org/x",
        "https://localhost:{port}/to/http://localhost:{port}/data.csv",
        "file:///etc/passwd",
        "https://127.0.0.1:{port}/data.csv",
        "//localhost:{port}/data.csv",
    ],
)
def test_what_is_not_allowed_is_not_fetched(fetcher, port, tmp_path: Path, url: str):
    with pytest.raises(ReferenceForbiddenError):
        fetcher.fetch(url.format(port=port), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_host_with_an_address_inside_is_refused_however_it_is_called(port, tmp_path: Path, monkeypatch):
    guarded = Fetcher([f"localhost:{port}"], 1000)
    with pytest.raises(ReferenceForbiddenError, match="inside"):
        guarded.fetch(f"https://localhost:{port}/data.csv", tmp_path / "x")
    answers = [(2, 1, 6, "", ("93.184.215.14", port)), (2, 1, 6, "", ("10.0.0.1", port))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(ReferenceForbiddenError, match="inside"):
        guarded.fetch(f"https://localhost:{port}/data.csv", tmp_path / "x")


def test_a_name_is_resolved_once_and_that_address_is_used(authority, port, tmp_path: Path, monkeypatch):
    asked = []

    def answer(host, *_, **__):
        asked.append(host)
        known = {"localhost": "127.0.0.1" if asked.count("localhost") == 1 else "10.0.0.1"}
        return [(2, 1, 6, "", (known.get(host, host), port))]

    monkeypatch.setattr("socket.getaddrinfo", answer)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    fetcher = Fetcher([f"localhost:{port}"], 1000, allows=LOOPBACK.__contains__, context=context)
    fetcher.fetch(f"https://localhost:{port}/data.csv", tmp_path / "x")
    assert asked.count("localhost") == 1


def test_too_much_and_nothing_are_errors(fetcher, port, tmp_path: Path):
    with pytest.raises(ReferenceTooLargeError):
        fetcher.fetch(f"https://localhost:{port}/large", tmp_path / "x")
    with pytest.raises(ReferenceUnreachableError, match="404"):
        fetcher.fetch(f"https://localhost:{port}/nothing", tmp_path / "x")
    loop = f"https://localhost:{port}" + f"/to/https://localhost:{port}" * 4 + "/data.csv"
    with pytest.raises(ReferenceUnreachableError, match="too often"):
        fetcher.fetch(loop, tmp_path / "x")


def test_a_certificate_for_nobody_we_trust_is_refused(port, tmp_path: Path):
    stranger = Fetcher([f"localhost:{port}"], 1000, allows=LOOPBACK.__contains__)
    with pytest.raises(ReferenceUnreachableError):
        stranger.fetch(f"https://localhost:{port}/data.csv", tmp_path / "x")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        *[(inside, False) for inside in ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254")],
        *[(inside, False) for inside in ("0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "fe80::1")],
        *[(inside, False) for inside in ("fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::")],
    ],
)
def test_public_means_public(address: str, expected: bool):
    assert is_public(ipaddress.ip_address(address)) is expected
