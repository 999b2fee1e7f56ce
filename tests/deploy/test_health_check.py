"""The health check of the image: exit code and reason, over TCP, TLS and a Unix socket."""

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from deploy.health_check import main
from devkit.children import free_port


class Alive(BaseHTTPRequestHandler):
    """Answers only /healthz."""

    status = 200

    def do_GET(self) -> None:
        assert self.path == "/healthz"
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""


class Draining(Alive):
    status = 503


class UnixServer(socketserver.UnixStreamServer):
    def get_request(self) -> tuple[Any, Any]:
        request, _ = super().get_request()
        return request, ("local", 0)


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("host", ["", "0.0.0.0", "127.0.0.1"])  # noqa: S104
def test_a_service_that_answers_is_healthy(host: str) -> None:
    server = HTTPServer(("127.0.0.1", 0), Alive)
    with serving(server):
        main({"HOST": host, "PORT": str(server.server_port)})


def test_another_status_is_not_healthy() -> None:
    server = HTTPServer(("127.0.0.1", 0), Draining)
    with serving(server), pytest.raises(SystemExit, match="/healthz answers 503"):
        main({"PORT": str(server.server_port)})


def test_a_closed_port_is_not_healthy() -> None:
    with pytest.raises(SystemExit, match="/healthz does not answer: ConnectionRefused"):
        main({"PORT": str(free_port())})


def test_a_service_with_a_certificate_is_asked_over_tls(tmp_path: Path) -> None:
    certificate = trustme.CA().issue_cert("ledger.example")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    server = HTTPServer(("127.0.0.1", 0), Alive)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server):
        main({"PORT": str(server.server_port), "WEB_TLS_CERTIFICATE": str(tmp_path / "chain.pem")})


def test_a_service_at_a_unix_socket_is_asked_there(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with serving(UnixServer(str(path), Alive)):
        main({"HOST": f"unix:{path}"})
    with pytest.raises(SystemExit, match="does not answer"):
        main({"HOST": f"unix:{tmp_path / 'none.sock'}"})
