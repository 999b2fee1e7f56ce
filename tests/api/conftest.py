"""The application on each kind of store, organizations that call it, and a clock to move."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.callers import Caller, Clock, new_caller

Hire = Callable[..., Caller]


@pytest.fixture
def tenant(app: Flask) -> Hire:
    """Makes callers: `tenant("free", turns=3)`; without arguments hardly limited."""
    return lambda *plan, **options: new_caller(app, *plan, **options)


@pytest.fixture
def caller(tenant: Hire) -> Caller:
    """An organization with every right and hardly a limit."""
    return tenant()


@pytest.fixture
def clock(app: Flask) -> Clock:
    """Redis's clock, standing still until it is moved."""
    return Clock(app)


@pytest.fixture
def own(memory_app: Flask) -> Caller:
    """An organization of the in-memory application."""
    return new_caller(memory_app, "pro")


@pytest.fixture
def other(memory_app: Flask) -> Caller:
    """Another one."""
    return new_caller(memory_app, "pro")
