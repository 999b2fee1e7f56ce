"""Turnledger: a self-hosted ledger for AI turns."""

import gc
import sys
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from flask import Flask

    from app.backends.backend import Backend
    from config.settings import Settings


def create_app(settings: "Settings | None" = None, backend: "Backend | None" = None) -> "Flask":
    """Make the application; settings come from the environment unless they are given.

    Raises `SettingsError` that names every bad variable. Connects to no store yet.
    """
    # A start makes no garbage. To look for it among all that is imported takes a tenth of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        from config.settings import Settings

        # A bad environment ends the start before the rest is imported.
        settings = settings or Settings.from_environ()
        # A server imports this package before it has chosen the folder of the metrics, and
        # importing the application imports prometheus_client, which looks for that folder.
        from app.factory import build

        return build(settings, backend)
    finally:
        if was_enabled:
            gc.enable()


def create_command_app() -> "Flask":
    """Make an application that has only the commands, and needs no settings.

    A shell completes words of the command line with it.
    """
    from flask import Flask

    from app import cli

    app = Flask("app")
    cli.register(app)
    return app


def _import_structlog_alone() -> None:
    """Import structlog as if rich were not installed.

    structlog imports rich for tracebacks in colour, which this service does not print. rich takes
    a tenth of a start, and only some commands need it: they import it themselves.
    """
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    # Python raises ImportError for a module that is None here.
    sys.modules["rich"] = cast(ModuleType, None)
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]


_import_structlog_alone()
