"""Write log lines to standard output; never a key, a body or a query.

Pipes and files get JSON, a terminal gets lines for people.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import orjson
import structlog

from app.observability.terminal_lines import event_line


def configure(level: str) -> None:
    """Send structured lines of at least `level` to standard output."""
    in_json = structlog.processors.JSONRenderer(serializer=_as_json)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            event_line if is_terminal() else in_json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level_number(level)),
        logger_factory=StandardOutput,
        cache_logger_on_first_use=False,
    )


def _as_json(line: dict[str, Any], default: Callable[[Any], Any]) -> str:
    return orjson.dumps(line, default).decode()


class StandardOutput:
    """Writes lines to the current `sys.stdout`; on a full disk they are lost.

    A request that has done its work must still be answered.
    """

    _stream = "stdout"

    def __init__(self, *_: object) -> None:
        pass

    def msg(self, message: str) -> None:
        """Write a line in one piece."""
        stream = getattr(sys, self._stream)
        with suppress(OSError):
            # Not by `print`, which writes the line end separately if the output is unbuffered.
            stream.write(f"{message}\n")
            stream.flush()

    debug = info = warning = error = msg


class StandardError(StandardOutput):
    """Writes lines to the current `sys.stderr`."""

    _stream = "stderr"


@contextmanager
def writing_to(output: type[StandardOutput]) -> Iterator[None]:
    """Write the lines of every thread to `output` during the block."""
    before = structlog.get_config()["logger_factory"]
    structlog.configure(logger_factory=output)
    try:
        yield
    finally:
        structlog.configure(logger_factory=before)


def is_terminal() -> bool:
    """Return True if standard output is a terminal."""
    try:
        return sys.stdout.isatty()
    except ValueError:  # it is closed
        return False


def level_number(level: str) -> int:
    """Return the number of a level; a higher one is more severe."""
    return logging.getLevelNamesMapping()[level.upper()]
