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

    Only sockets that ask for SO_REUSEPORT can listen there meanwhile, as Granian's workers do: they
    would share it with another service too. gunicorn would take a Unix socket away from a service.
    """
    if web.socket_path:
        _clear(web.socket_path)
        yield 0
        return
    with closing(_listening(web, web.port)) as found:
        port = int(found.getsockname()[1])
    # Again, for a port that was asked for by its number stays ours when we listen no more.
    with closing(_listening(web, port)) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with suppress(OSError):
            holder.shutdown(socket.SHUT_RDWR)
        yield port


def _listening(web: Web, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in web.address else socket.AF_INET
    try:
        return socket.create_server((web.address, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            refuse("HOST", web.address, "this machine has no such address; set one that it has")
        reason = os.strerror(error.errno or 0)
        fix = f"{reason} at {web.address}; set another port, or stop what uses it"
        refuse("PORT", str(port), fix)


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
