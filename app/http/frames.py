"""Name the code that raised an exception, for logs.

The exception's message is left out: it may quote a body, a key or an address.
"""

import traceback

_MOST = 8


def frames_of(error: Exception) -> list[str]:
    """Return the innermost frames, `file:line function`, outermost first."""
    frames = traceback.extract_tb(error.__traceback__)[-_MOST:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
