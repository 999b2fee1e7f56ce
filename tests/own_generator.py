"""Give PyMongo a generator of random numbers of its own.

It draws the id of each message from Python's global generator, in any thread. Hypothesis seeds that
one, and fails a strategy during which it changes.
"""

import random

import pymongo.message


def install() -> None:
    """Replace the generator of PyMongo in this process."""
    pymongo.message.random = random.Random()  # type: ignore[assignment]  # noqa: S311
