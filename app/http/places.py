"""Where in the code an exception was raised, for logs.

Its message is left out: it may quote a body, a key or an address.
"""

import traceback

_MOST = 8


def places_of(error: Exception) -> list[str]:
    """The innermost frames, `file:line function`, outermost first."""
    frames = traceback.extract_tb(error.__traceback__)[-_MOST:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
