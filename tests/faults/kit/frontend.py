"""Run a buffering proxy with kept connections: nginx, or a small one of our own.

nginx runs with the project's sample configuration. If it is not installed, a proxy with the same
behaviour replaces it: it reads a whole request, sends it over a connection that it keeps unless it
receives `close`, and answers 502 if that connection is closed.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Thread
from urllib.parse import urlsplit

import httpx

from devkit.children import free_port, stop
from tests import plain_http
from tests.servers import ROOT, RunningService, wait_until

_SAMPLE = ROOT / "deploy" / "nginx.conf"
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}
TIMEOUT_S = 30


@contextmanager
def frontend(service: RunningService, folder: Path) -> Iterator[str]:
    """Run a proxy in front of `service`; yield its base URL."""
    port, upstream = free_port(), urlsplit(service.base_url)
    if shutil.which("nginx"):
        with _nginx(f"{upstream.hostname}:{upstream.port}", port, folder):
            yield f"http://127.0.0.1:{port}"
    else:
        with _stand_in(upstream.hostname or "", upstream.port or 0, port):
            yield f"http://127.0.0.1:{port}"


@contextmanager
def _nginx(upstream: str, port: int, folder: Path) -> Iterator[None]:
    sample = _SAMPLE.read_text()
    assert "127.0.0.1:8000" in sample
    assert "listen 8080" in sample
    text = sample.replace("127.0.0.1:8000", upstream).replace("listen 8080", f"listen {port}")
    folder.mkdir(exist_ok=True)
    (folder / "nginx.conf").write_text(f"daemon off;\nmaster_process off;\n{text}")
    command = ["nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    command += ["-g", f"pid {folder / 'nginx.pid'};"]
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: _is_up(port))
        yield
    finally:
        stop(process)


@contextmanager
def _stand_in(host: str, upstream_port: int, port: int) -> Iterator[None]:
    server = _Server(port, (host, upstream_port))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        while not server.kept.empty():
            server.kept.get_nowait().close()


class _Server(ThreadingHTTPServer):
    """Holds the address of the service and the kept connections to it."""

    def __init__(self, port: int, upstream: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.upstream = upstream
        self.kept: LifoQueue[HTTPConnection] = LifoQueue()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def pass_on(self) -> None:
        """Forward the whole request, and return the whole answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            upstream = self.server.kept.get_nowait()
        except Empty:
            upstream = HTTPConnection(*self.server.upstream, timeout=TIMEOUT_S)
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            content = answer.read()
        except (OSError, HTTPException):
            upstream.close()
            self.send_error(502)
            return
        self._give_back(answer, content)
        if answer.will_close:
            upstream.close()
        else:
            self.server.kept.put(upstream)

    def _give_back(self, answer: HTTPResponse, content: bytes) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


for _method in ("GET", "POST", "PUT", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler.pass_on)


def _is_up(port: int) -> bool:
    try:
        return (
            plain_http.get(f"http://127.0.0.1:{port}/healthz", timeout=TIMEOUT_S).status_code == 200
        )
    except httpx.TransportError:
        return False
