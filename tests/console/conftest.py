"""The application on each kind of store, organizations that call it, and an operator's browser."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.callers import Caller, Clock, new_caller
from tests.console.operator import Operator, log_in

NewCaller = Callable[..., Caller]


@pytest.fixture
def tenant(app: Flask) -> NewCaller:
    """A function that makes callers: `tenant("free", turns=3)`; by default with high limits."""
    return lambda *plan, **options: new_caller(app, *plan, **options)


@pytest.fixture
def clock(app: Flask) -> Clock:
    """Redis's clock, which stands still until a test moves it."""
    return Clock(app)


@pytest.fixture
def operator(app: Flask) -> Operator:
    """An operator with a session, on each kind of store."""
    return log_in(app)


@pytest.fixture
def own_operator(memory_app: Flask) -> Operator:
    """An operator of the in-memory application."""
    return log_in(memory_app)
