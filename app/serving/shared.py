"""Share three flags between the processes of one run, and each thread's connection with it."""

import mmap
import threading

_memory = mmap.mmap(-1, 3)
_DRAINING, _ORDERS, _ENDING = 0, 1, 2
# The number of orders to end so far. A list, so that a worker keeps the number at its fork.
_given = [0]
# gunicorn sets `close` on it, which works until the head of the answer is sent.
connection = threading.local()


def close_connection() -> None:
    """Close this thread's connection after the answer, if the server can."""
    getattr(connection, "close", lambda: None)()


def begin_draining() -> None:
    """Report in every process that the service is about to end; cannot be undone."""
    _memory[_DRAINING] = 1


def is_draining() -> bool:
    """Return True once the service is about to end."""
    return _memory[_DRAINING] == 1


def begin_ending() -> None:
    """End every worker, including one that is just starting."""
    _memory[_DRAINING] = _memory[_ENDING] = 1


def is_ending() -> bool:
    """Return True once the service has drained and is ending."""
    return _memory[_ENDING] == 1


def order_end() -> None:
    """Order the current workers to end at their next SIGTERM; later workers are not affected."""
    _given[0] = _memory[_ORDERS] = (_given[0] + 1) % 256


def is_end_ordered() -> bool:
    """Return True in a worker that has been ordered to end since it was forked."""
    return is_ending() or _memory[_ORDERS] != _given[0]
