"""Share three flags between the processes of one run, and each thread's connection with it."""

import mmap
import threading

_memory = mmap.mmap(-1, 3)
_DRAINING, _ORDERS, _ENDING = 0, 1, 2
# How many orders to end there were. A list, so that a worker keeps the number of its fork.
_given = [0]
# gunicorn sets its `close`, which has an effect until the head of the answer is sent.
connection = threading.local()


def close_connection() -> None:
    """Have the server close this thread's connection after the answer, where it can."""
    getattr(connection, "close", lambda: None)()


def begin_draining() -> None:
    """Have every process report that the service is about to end. There is no way back."""
    _memory[_DRAINING] = 1


def is_draining() -> bool:
    """Return True once the service is about to end."""
    return _memory[_DRAINING] == 1


def begin_ending() -> None:
    """Have every worker end, one that is just starting too."""
    _memory[_DRAINING] = _memory[_ENDING] = 1


def is_ending() -> bool:
    """Return True once the service has drained and ends."""
    return _memory[_ENDING] == 1


def order_end() -> None:
    """Order the workers of now to end at their next SIGTERM; later workers are not concerned."""
    _given[0] = _memory[_ORDERS] = (_given[0] + 1) % 256


def is_end_ordered() -> bool:
    """Return True in a worker that has been ordered to end since it was forked."""
    return is_ending() or _memory[_ORDERS] != _given[0]
