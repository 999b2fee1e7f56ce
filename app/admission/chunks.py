"""Split long lists, so that no single call blocks Redis."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

CHUNK_COUNT = 1_000


def chunked(items: Iterable[T], most_count: int = CHUNK_COUNT) -> Iterator[list[T]]:
    """Yield `items` in order, in lists of at most `most_count`; no list without items."""
    iterator = iter(items)
    while chunk := list(islice(iterator, most_count)):
        yield chunk
