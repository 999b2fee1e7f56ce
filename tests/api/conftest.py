"""The application on each kind of store, organizations that call it, and a clock to move."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask import Flask

from tests.callers import Caller, Clock, app_beside, hire
from tests.servers import RunningService

Hire = Callable[..., Caller]


@pytest.fixture
def tenant(app: Flask) -> Hire:
    """Makes callers: `tenant("free", turns=3)`; without arguments hardly limited."""
    return lambda *plan, **options: hire(app, *plan, **options)


@pytest.fixture
def caller(tenant: Hire) -> Caller:
    """An organization with every right and hardly a limit."""
    return tenant()


@pytest.fixture
def clock(app: Flask) -> Clock:
    """Redis's clock, standing still until it is moved."""
    return Clock(app)


@pytest.fixture
def serve(start_service: Callable[..., RunningService]) -> Iterator[Callable[..., Any]]:
    """Starts a gunicorn: the service, and an application of ours on the same stores."""
    with ExitStack() as stack:

        def start(**environ: Any) -> tuple[RunningService, Flask]:
            service = start_service(**environ)
            return service, stack.enter_context(app_beside(service))

        yield start
