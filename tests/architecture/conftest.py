"""Keep the parsed sources out of every later garbage collection."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _sources_stay_parsed() -> Iterator[None]:
    """Freeze what these tests keep.

    It is 800,000 objects. To scan them takes over a second on a busy machine, and a request that
    waits a second for its counters is decided without them.
    """
    yield
    gc.freeze()
