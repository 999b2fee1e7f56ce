"""Make the clients that the settings ask for."""

from app.backends import live
from app.backends.backend import Backend
from config.settings import BackendKind, Settings, SettingsError


def connect(settings: Settings) -> Backend:
    """Make the clients that `settings.backend` asks for; no server is contacted yet.

    Raises SettingsError if the libraries of the in-memory twins are not installed.
    """
    if settings.backend is BackendKind.MEMORY:
        return _connect_memory()
    return live.connect(settings)


def _connect_memory() -> Backend:
    try:
        from app.backends import memory
    except ModuleNotFoundError:
        raise SettingsError("BACKEND=memory needs requirements-local.txt") from None
    return memory.connect()
