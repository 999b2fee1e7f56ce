"""Run TLS in front of a plain server, with certificates that a test can trust or not."""

import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Thread
from uuid import uuid4

import trustme

PIECE_BYTES = 65_536


class Authority:
    """A certificate authority; a server with its `context` is trusted by its clients."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.path = folder / f"authority_{uuid4()}.pem"
        authority.cert_pem.write_to_path(str(self.path))
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(self.context)


@contextmanager
def tls_before(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """Yield a port that accepts TLS and forwards the content to a server on loopback."""
    accepted: list[socket.socket] = []
    threads: list[Thread] = []

    def accept() -> None:
        with suppress(OSError):  # it is closed
            while True:
                accepted.append(listener.accept()[0])
                threads.append(Thread(target=_serve, args=(accepted[-1], port, context)))
                threads[-1].start()

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        accepting = Thread(target=accept)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for connection in accepted:
                with suppress(OSError):  # the client has closed it
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()
            for thread in threads:
                thread.join()


def _serve(accepted: socket.socket, port: int, context: ssl.SSLContext) -> None:
    """Forward in both directions, in one thread: a TLS connection is not safe between threads."""
    with (
        suppress(OSError),
        # On a copy, because the original is closed by another thread to end this.
        context.wrap_socket(accepted.dup(), server_side=True) as client,
        socket.create_connection(("127.0.0.1", port)) as server,
    ):
        while True:
            ready, _, _ = select.select([client, server], [], [])
            source, sink = (client, server) if client in ready else (server, client)
            piece = source.recv(PIECE_BYTES)
            while client.pending():
                piece += client.recv(client.pending())
            if not piece:
                return
            sink.sendall(piece)
