"""What processes and threads of one run share: two bytes, and the connection of each thread."""

import mmap
import threading

_memory = mmap.mmap(-1, 2)
_DRAINING, _ORDERS = 0, 1
# Its `close`, where the server sets it, closes this thread's connection after the answer.
connection = threading.local()


def begin_draining() -> None:
    """Have every process report that the service is about to end. There is no way back."""
    _memory[_DRAINING] = 1


def is_draining() -> bool:
    """Return True once the service is about to end."""
    return _memory[_DRAINING] == 1


def order_end() -> None:
    """Order the workers of now to end at their next SIGTERM; later workers are not concerned."""
    _memory[_ORDERS] = (_memory[_ORDERS] + 1) % 256


def orders_count() -> int:
    """Return a number that differs after each `order_end`."""
    return _memory[_ORDERS]
