"""Addresses of both servers: IPv6, names, Unix sockets, TLS."""

import os
import signal
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from devkit.children import free_port
from tests import plain_http
from tests.faults.kit.kinds import GUNICORN_IN_LONG_RUNS
from tests.faults.kit.starts import answers, begun_start, ended_start, own_words
from tests.servers import ServerKind, wait_until


@pytest.mark.parametrize(
    ("host", "reached_at"),
    [
        ("::", "[::1]"),
        # tests/unit/serving/test_web.py reads it too.
        pytest.param("[::1]", "[::1]", marks=pytest.mark.long),
    ],
)
def test_a_host_can_be_ipv6_in_brackets_or_not(
    kind: ServerKind, tmp_path: Path, host: str, reached_at: str
) -> None:
    port = free_port()
    base_url = f"http://{reached_at}:{port}"
    log = tmp_path / "service.log"
    with begun_start(kind, log, lambda: answers(base_url), HOST=host, PORT=str(port)):
        assert plain_http.get(f"{base_url}/v1/me").status_code == 401


def status_at(path: Path, target: str) -> int:
    """Return the status of an answer over a Unix socket; 0 if there is none."""
    request = f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        try:
            connection.connect(str(path))
            connection.sendall(request.encode())
            return int(connection.recv(65_536).split()[1])
        except (
            FileNotFoundError,
            ConnectionError,
            IndexError,
        ):  # no listener, or one that is ending
            return 0


def answers_at(path: Path) -> bool:
    return status_at(path, "/healthz") == 200


@GUNICORN_IN_LONG_RUNS
def test_a_unix_socket_has_one_service_and_is_replaced_once_that_is_killed(
    kind: ServerKind, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    host, log = f"unix:{path}", tmp_path / "service.log"
    with begun_start(kind, log, lambda: answers_at(path), HOST=host) as process:
        assert status_at(path, "/v1/me") == 401
        ended = ended_start(kind, HOST=host)
        (line,) = own_words(ended)
        assert ended.returncode == 1
        assert line.startswith(f"HOST='{host}' is refused: another service listens there")
        assert answers_at(path)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_until(lambda: not answers_at(path), 20)
    assert path.is_socket()
    with begun_start(kind, log, lambda: answers_at(path), HOST=host):
        pass
    assert not path.exists()


class Issued:
    """A certificate for localhost in files, and a context that trusts it."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("localhost")
        self.certificate = folder / "certificate.pem"
        issued.cert_chain_pems[0].write_to_path(str(self.certificate))
        issued.private_key_pem.write_to_path(str(folder / "key.pem"))
        self.context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
        self.environ = {
            "WEB_TLS_CERTIFICATE": str(self.certificate),
            "WEB_TLS_KEY": str(folder / "key.pem"),
        }


def test_a_host_can_be_a_name_and_a_certificate_and_its_key_enable_tls(
    kind: ServerKind, tmp_path: Path
) -> None:
    issued, port = Issued(tmp_path), free_port()

    def is_served() -> bool:
        return answers(f"https://localhost:{port}", issued.context)

    log = tmp_path / "service.log"
    at = {"HOST": "localhost", "PORT": str(port)}
    with begun_start(kind, log, is_served, **at, **issued.environ):
        assert not answers(f"http://localhost:{port}")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            issued.context.minimum_version = issued.context.maximum_version = version
            assert is_served()


def test_a_reload_with_a_broken_certificate_changes_nothing(tmp_path: Path) -> None:
    issued, port, log = Issued(tmp_path), free_port(), tmp_path / "service.log"

    def is_served() -> bool:
        return answers(f"https://localhost:{port}", issued.context)

    with begun_start(ServerKind.GRANIAN, log, is_served, PORT=str(port), **issued.environ) as run:
        issued.certificate.write_text("half of a certi")
        os.kill(run.pid, signal.SIGHUP)
        wait_until(lambda: "reload_refused" in log.read_text())
        assert "WEB_TLS_CERTIFICATE is refused" in log.read_text()
        assert is_served()
