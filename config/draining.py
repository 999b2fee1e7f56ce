"""Whether the service is being ended: one byte that gunicorn's master shares with its workers."""

import mmap

_flag = mmap.mmap(-1, 1)


def begin_draining() -> None:
    """Tell this process and those forked from it that the end is near; for good."""
    _flag[0] = 1


def is_draining() -> bool:
    """Whether somebody has begun."""
    return _flag[0] == 1
