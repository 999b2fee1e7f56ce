"""Run a part of a test in a forked child, which never becomes a second test run."""

import os
import signal
import traceback
from collections.abc import Callable

# Beyond any test: a child that hangs would hold the output of the test run open for ever.
_LONGEST_S = 120


def fork(work: Callable[[], object]) -> int:
    """Fork a child that does `work` and ends with 0, or with 1 if it raises; return its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_LONGEST_S)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def in_child(work: Callable[[], object]) -> int:
    """Do `work` in a forked child; return its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(fork(work), 0)[1])
