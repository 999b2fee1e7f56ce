"""Claim the address before anything else is made; refuse one that another service uses."""

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from app.serving.web import Web, refuse

# The address of a Unix socket holds 108 bytes on Linux, the last of them zero.
_LONGEST_PATH_BYTES = 107


@contextmanager
def claimed_port(web: Web) -> Iterator[int]:
    """Hold the port of `web` and yield its number; SystemExit with one line if it is in use.

    Meanwhile only sockets with SO_REUSEPORT can listen there, as Granian's workers do. Without the
    claim they would share the port with another service, and gunicorn would replace its Unix
    socket.
    """
    if web.socket_path:
        _clear(web.socket_path)
        yield 0
        return
    with closing(_listening(web, web.port)) as found:
        port = int(found.getsockname()[1])
    # Open it again by its number: such a port stays ours after we stop listening.
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
        fix = f"{reason} at {web.address}; set another port, or stop the program that uses it"
        refuse("PORT", str(port), fix)


def _clear(path: Path) -> None:
    """Delete the socket that a killed service has left at `path`.

    Raises SystemExit with one line if another file or a used socket is there. Only a socket without
    a listener is ever deleted.
    """
    name = f"unix:{path}"
    if len(os.fsencode(path)) > _LONGEST_PATH_BYTES:
        refuse("HOST", name, f"set a path of at most {_LONGEST_PATH_BYTES} bytes")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        refuse("HOST", name, "set a path in a folder that exists and can be written to")
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            refuse("HOST", name, "this file is not a socket; set another path")
        if _has_listener(path):
            refuse("HOST", name, "another service listens there; stop it or set another path")
        path.unlink()


def _has_listener(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except PermissionError:
            return True
    return True
