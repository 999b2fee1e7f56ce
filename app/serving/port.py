"""Claim the address of a start before anything else is made, and refuse one that is taken."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from app.serving.web import Web, refuse


@contextmanager
def claimed_port(web: Web) -> Iterator[int]:
    """Hold the port of `web` and yield its number; SystemExit with one line if it is taken.

    Granian's workers share the port by SO_REUSEPORT, and would share it with another service too.
    gunicorn would take a Unix socket away from the service that listens there.
    """
    if web.socket_path:
        _clear(web.socket_path)
        yield 0
        return
    with closing(_bound(web)) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with suppress(OSError):
            holder.shutdown(socket.SHUT_RDWR)  # it stays bound, and takes no connection
        yield int(holder.getsockname()[1])


def _bound(web: Web) -> socket.socket:
    family = socket.AF_INET6 if ":" in web.address else socket.AF_INET
    try:
        return socket.create_server((web.address, web.port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            refuse("HOST", web.address, "this machine has no such address; set one that it has")
        reason = os.strerror(error.errno or 0)
        refuse(
            "PORT", str(web.port), f"{reason} at {web.address}; set another, or end what uses it"
        )


def _clear(path: Path) -> None:
    """Delete the socket that a killed service has left at `path`; SystemExit if one answers."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            refuse("HOST", f"unix:{path}", f"it cannot be used ({error.strerror})")
    refuse("HOST", f"unix:{path}", "another service listens there; stop it or set another path")
