"""Run a TCP proxy in front of a server, with faults that can be changed at any time."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from threading import Event, Lock, Thread

PIECE_BYTES = 65_536
# SO_LINGER with a time of 0: closing sends RST.
_RESETS = struct.pack("ii", 1, 0)


class Fault(Enum):
    """The kinds of faults; some have an amount, which is in brackets."""

    NONE = auto()
    REFUSE = auto()  # the port is closed, and existing connections are reset
    HANG = auto()  # connections and requests are accepted, and never answered
    DELAY = auto()  # replies are late (milliseconds)
    CUT = auto()  # the request arrives, and its reply is cut (bytes that are still sent)
    HALF = auto()  # the same after half of the reply
    RESET = auto()  # like CUT, but by RST


_ENDINGS = frozenset({Fault.CUT, Fault.HALF, Fault.RESET})


@dataclass(frozen=True, slots=True)
class _Setting:
    fault: Fault = Fault.NONE
    amount: int = 0
    every: int = 1


class Proxy:
    """Forwards everything between its own `port` and a server, until `set` causes a fault.

    Data that arrives from the server together counts as one reply, which is true for the small
    replies of one command at a time.
    """

    def __init__(self, host: str, port: int) -> None:
        self.connections_count = 0
        self.replies_count = 0
        self.broken_count = 0
        self.request_bytes = 0
        self.reply_bytes = 0
        self._upstream = (host, port)
        self._setting = _Setting()
        self._lock = Lock()
        self._is_closed = Event()
        self._open: set[socket.socket] = set()
        self._threads: list[Thread] = []
        # Always bound and never listening, so that no program takes the port while we refuse.
        self._reserved = _bound(0)
        self.port: int = self._reserved.getsockname()[1]
        self._listener: socket.socket | None = None
        self._listen()

    def set(self, fault: Fault, amount: int = 0, *, every: int = 1) -> None:
        """Break every `every`-th reply like this from now on; REFUSE and HANG break all."""
        before, self._setting = self._setting.fault, _Setting(fault, amount, every)
        if fault is Fault.REFUSE:
            self._refuse()
        elif self._listener is None:
            self._listen()
        # A client would misread later replies, because its dropped data is missing.
        if before is Fault.HANG or fault is Fault.REFUSE:
            self.cut()

    def lead_to(self, host: str, port: int) -> None:
        """Forward new connections to another server; existing ones stay."""
        self._upstream = (host, port)

    def cut(self) -> None:
        """Reset all connections."""
        with self._lock:
            cut = list(self._open)
        # All before any is closed: closing one wakes a thread that closes its partner.
        for end in cut:
            _let_reset(end)
        for end in cut:
            _close(end)

    def close(self) -> None:
        """End everything that was started; harmless if it has ended."""
        self._is_closed.set()
        self._refuse()
        self.cut()
        for thread in self._threads:
            thread.join(10)
        self._reserved.close()

    def _listen(self) -> None:
        self._listener = listener = _bound(self.port)
        listener.listen(512)
        self._run(self._accept, listener)

    def _refuse(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            # Wakes the thread in accept, which closing does not.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections_count += 1
            try:
                server = socket.create_connection(self._upstream, timeout=10)
            except OSError:
                _let_reset(client)
                _close(client)
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            self._run(self._pass_requests, client, server)
            self._run(self._pass_replies, server, client)

    def _run(self, work: object, *ends: socket.socket) -> None:
        thread = Thread(target=work, args=ends, daemon=True)  # type: ignore[arg-type]
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        with self._ended(client, server):
            while piece := client.recv(PIECE_BYTES):
                if self._setting.fault is not Fault.HANG:
                    self.request_bytes += len(piece)
                    server.sendall(piece)

    def _pass_replies(self, server: socket.socket, client: socket.socket) -> None:
        with self._ended(server, client):
            while reply := server.recv(PIECE_BYTES):
                if not self._pass_reply(reply, client):
                    return

    def _pass_reply(self, reply: bytes, client: socket.socket) -> bool:
        """Forward data according to the setting; return False if the connection ends."""
        setting = self._setting
        with self._lock:
            self.replies_count += 1
            is_broken = setting.fault is not Fault.NONE and not self.replies_count % setting.every
            self.broken_count += is_broken
        if is_broken and setting.fault is Fault.HANG:
            return True
        if is_broken and setting.fault is Fault.DELAY:
            self._is_closed.wait(setting.amount / 1_000)
        is_last = is_broken and setting.fault in _ENDINGS
        if is_last:
            kept = len(reply) // 2 if setting.fault is Fault.HALF else setting.amount
            reply = reply[:kept]
        self.reply_bytes += len(reply)
        client.sendall(reply)
        if is_last and setting.fault is Fault.RESET:
            _let_reset(client)
        return not is_last

    @contextmanager
    def _ended(self, *ends: socket.socket) -> Iterator[None]:
        """End both directions as soon as one ends."""
        try:
            with suppress(OSError):
                yield
        finally:
            with self._lock:
                self._open -= set(ends)
            for end in ends:
                _close(end)


@contextmanager
def proxy_to(host: str, port: int) -> Iterator[Proxy]:
    """Yield a proxy in front of a server; end it with the block."""
    proxy = Proxy(host, port)
    try:
        yield proxy
    finally:
        proxy.close()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def _let_reset(end: socket.socket) -> None:
    """Make closing the socket send RST."""
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETS)


def _close(end: socket.socket) -> None:
    """Wake the thread that reads from it, and send no FIN before the RST."""
    with suppress(OSError):
        end.shutdown(socket.SHUT_RD)
    end.close()
