"""Give routes and commands the services that `wiring` built, by their type."""

from typing import Any, TypeVar

from flask import Flask, current_app

T = TypeVar("T")
_KEY = "turnledger"


def init_app(app: Flask, services: list[Any]) -> None:
    """Register one instance of each type with the application."""
    app.extensions[_KEY] = {type(service): service for service in services}


def provided(kind: type[T]) -> T:
    """Return the application's instance of `kind`; KeyError if wiring never built one."""
    instance: T = current_app.extensions[_KEY][kind]
    return instance
