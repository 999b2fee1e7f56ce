"""A port that is claimed: ours, and nobody else's, before anybody listens there."""

import socket
from contextlib import closing

import pytest

from app.serving.port import claimed_port
from app.serving.web import Web


def web_at(port: int) -> Web:
    return Web.from_environ({"HOST": "127.0.0.1", "PORT": str(port)})


def worker_at(port: int) -> socket.socket:
    """A socket as Granian's workers make it."""
    worker = socket.socket()
    worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    worker.bind(("127.0.0.1", port))
    worker.listen()
    return worker


def test_nobody_else_takes_a_claimed_port_and_workers_share_it() -> None:
    with claimed_port(web_at(0)) as port:
        refused = pytest.raises(SystemExit, match=f"^PORT='{port}' is refused")
        with refused, claimed_port(web_at(port)):
            pytest.fail("two services have one port")
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", port))
        with closing(worker_at(port)), closing(worker_at(port)):
            socket.create_connection(("127.0.0.1", port)).close()
    with claimed_port(web_at(port)) as again:
        assert again == port
