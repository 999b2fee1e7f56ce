"""Choose the servers of a test."""

import pytest

from tests.servers import ServerKind

# For tests of what both servers share: Granian in each run, gunicorn in long ones.
GUNICORN_IN_LONG_RUNS = pytest.mark.parametrize(
    "kind", [ServerKind.GRANIAN, pytest.param(ServerKind.GUNICORN, marks=pytest.mark.long)]
)
