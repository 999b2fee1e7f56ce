"""Hanging up on a client so that it can fetch its answer and nobody else waits for it.

gunicorn waits two seconds for a client to hang up, since one that still sends might lose its
answer: in the thread that takes everybody's requests. Here it is waited for in the thread of its
own request, and only if it may still send.
"""

import socket
import time
from contextlib import suppress

# As gunicorn would.
_LINGER_S = 2.0
_LINGER_BYTES = 65_536


def hang_up(connection: socket.socket, *, is_sending: bool) -> None:
    """Leave nothing to read on `connection`, so that closing it waits for nobody."""
    with suppress(OSError):
        if is_sending:
            _hear_out(connection)
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RD)


def _hear_out(connection: socket.socket) -> None:
    """Say that no more is to come, and read what is still sent."""
    connection.shutdown(socket.SHUT_WR)
    end_s, left_bytes = time.monotonic() + _LINGER_S, _LINGER_BYTES
    while left_bytes > 0 and (left_s := end_s - time.monotonic()) > 0:
        connection.settimeout(left_s)
        part = connection.recv(left_bytes)
        if not part:
            return
        left_bytes -= len(part)
