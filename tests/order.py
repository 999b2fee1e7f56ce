"""Order the tests for the processes of xdist; it is the same in every run and process."""

from zlib import crc32

import pytest

# At the end of a run, every process would wait for it.
LONGEST = "tests/docs/test_commands.py::test_every_block_does_what_its_page_says"


def rank(item: pytest.Item) -> tuple[bool, int]:
    """Return the sort key of a test: the longest first, then the modules mixed.

    Each process begins with a part of the list. In a mixed list, tests that wait run beside tests
    that compute.
    """
    module = item.nodeid.partition("::")[0]
    return item.nodeid != LONGEST, crc32(module.encode())
