"""Limit how many requests to the console one process answers at the same time.

Nothing is charged for them, and a page may take seconds while a store is slow. So they hold at
most a quarter of the threads, as heavy requests of an organization do: the others answer the API.
"""

from threading import BoundedSemaphore

from flask import Flask, current_app, g

from app.console.errors import ConsoleBusy
from config.settings import Settings

_EXTENSION = "turnledger.pages_in_flight"


def init_app(app: Flask, settings: Settings) -> None:
    """Allow requests to the console a quarter of the threads of this process, at least one."""
    app.extensions[_EXTENSION] = BoundedSemaphore(max(1, settings.web_threads // 4))


def enter() -> None:
    """Count the current request until `leave`; ConsoleBusy if it is one above the limit."""
    slots: BoundedSemaphore = current_app.extensions[_EXTENSION]
    if not slots.acquire(blocking=False):
        raise ConsoleBusy
    g.console_slots = slots


def leave(_error: BaseException | None = None) -> None:
    """Stop counting the current request; harmless if it does not count."""
    slots: BoundedSemaphore | None = g.pop("console_slots", None)
    if slots is not None:
        slots.release()
