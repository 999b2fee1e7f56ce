"""The application on each kind of store, organizations that call it, and a clock to move."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.callers import Caller, Clock, new_caller

NewCaller = Callable[..., Caller]


@pytest.fixture
def tenant(app: Flask) -> NewCaller:
    """A function that makes callers: `tenant("free", turns=3)`; by default with high limits."""
    return lambda *plan, **options: new_caller(app, *plan, **options)


@pytest.fixture
def caller(tenant: NewCaller) -> Caller:
    """An organization with an admin key and high limits."""
    return tenant()


@pytest.fixture
def clock(app: Flask) -> Clock:
    """Redis's clock, which stands still until a test moves it."""
    return Clock(app)


@pytest.fixture
def own(memory_app: Flask) -> Caller:
    """An organization of the in-memory application."""
    return new_caller(memory_app, "pro")


@pytest.fixture
def other(memory_app: Flask) -> Caller:
    """A second organization of the in-memory application."""
    return new_caller(memory_app, "pro")
