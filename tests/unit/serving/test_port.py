"""A claimed port: no other service can take it before our workers listen there."""

import socket
from contextlib import closing
from pathlib import Path

import pytest

from app.serving.port import claimed_port
from app.serving.web import Web


def web_at(port: int) -> Web:
    return Web.from_environ({"HOST": "127.0.0.1", "PORT": str(port)})


def worker_at(port: int) -> socket.socket:
    """Return a socket as Granian's workers make it."""
    worker = socket.socket()
    worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    worker.bind(("127.0.0.1", port))
    worker.listen()
    return worker


def test_only_our_workers_can_listen_on_a_claimed_port() -> None:
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


def claim(path: Path | str) -> None:
    with claimed_port(Web.from_environ({"HOST": f"unix:{path}"})):
        pass


def test_only_a_socket_without_a_listener_is_deleted(tmp_path: Path) -> None:
    file, folder, link = tmp_path / "file", tmp_path / "folder", tmp_path / "link"
    file.write_text("precious")
    folder.mkdir()
    link.symlink_to(file)
    for there in (file, folder, link, ""):
        with pytest.raises(SystemExit, match=r"^HOST='unix:.*' is refused: this file is not a so"):
            claim(there)
    assert (file.read_text(), link.readlink(), folder.is_dir()) == ("precious", file, True)

    left = tmp_path / "left"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(left))
        server.listen()
        with pytest.raises(SystemExit, match="another service listens there"):
            claim(left)
    claim(left)
    assert not left.exists()


@pytest.mark.parametrize(
    ("name", "fix"), [("nowhere/socket", "set a path in a folder"), ("x" * 108, "at most 107")]
)
def test_a_path_unsuitable_for_a_socket_is_refused(tmp_path: Path, name: str, fix: str) -> None:
    with pytest.raises(SystemExit, match=f"^HOST='unix:.*{name}' is refused: .*{fix}"):
        claim(tmp_path / name)
