"""Read the caller's environment, and make the environment of the service.

All that can be judged without a server is judged before one is started.
"""

from collections.abc import Mapping, MutableMapping

from config.settings import WEB_CONCURRENCY_BOUNDS
from config.variables import Variables
from scripts.lib.local.files import EXPORTED, MARKER, DataFolder
from scripts.lib.local.messages import Failure, say
from scripts.lib.local.stores import LIVE, MEMORY, Stores

DEMO_TURNS = "20000"
# The twins have no indexes: every request reads every row.
MEMORY_DEMO_TURNS = "100"
MOST_DEMO_TURNS = 10_000_000
# They may hold a password.
_ADDRESSES = ("MONGODB_URI", "REDIS_URL")
_TEXTS = (*_ADDRESSES, "DATA_DIR", "BACKEND", "DEMO_TURNS", "WEB_CONCURRENCY")


def forget_other_run(environ: MutableMapping[str, str]) -> None:
    """Remove what the `env` of a run has set in the caller's shell.

    It names the stores of that run, which may be gone or belong to another run by now.
    """
    if environ.get(MARKER):
        say(f"ignoring the variables of {environ[MARKER]}/env in this shell: {', '.join(EXPORTED)}")
        for name in (MARKER, *EXPORTED):
            environ.pop(name, None)


def caller_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's variables, without empty ones; Failure if one is invalid."""
    chosen = {name: value for name, value in environ.items() if value.strip()}
    return chosen | _own_values(chosen)


def service_environ(
    stores: Stores, folder: DataFolder, caller: Mapping[str, str]
) -> Mapping[str, str]:
    """Return the service's whole environment; the caller's variables override our defaults."""
    defaults = {
        "DEMO_TURNS": MEMORY_DEMO_TURNS if stores.is_memory else DEMO_TURNS,
        "WEB_CONCURRENCY": "2",
        # Servers, service and its clients share one machine here: under full load the slowest of a
        # thousand replies took 45 to 91 ms. A Redis that hangs makes each worker wait five times.
        "REDIS_TIMEOUT_MS": "250",
        # Nothing stands in front that would have to look away first.
        "DRAIN_S": "0",
        # Here, because a run that is killed could not clear it from memory.
        "PROMETHEUS_MULTIPROC_DIR": str(folder.path / "metrics"),
    }
    environ = {**defaults, **caller, **folder.secrets(caller), **stores.environ}
    environ["DATA_DIR"] = str(folder.path)
    environ["FLASK_SKIP_DOTENV"] = "1"  # all that `.env` holds is in here already
    if stores.is_memory:
        environ["WEB_CONCURRENCY"] = "1"
    return environ


def _own_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Read what this script needs itself, as the service would; Failure if one is bad."""
    variables = Variables(environ)
    read = {name: variables.text(name) for name in _TEXTS}
    variables.choice("BACKEND", (LIVE, MEMORY))
    variables.number("DEMO_TURNS", 0, MOST_DEMO_TURNS)
    variables.number("WEB_CONCURRENCY", *WEB_CONCURRENCY_BOUNDS)
    for name, fix in variables.problems.items():
        shown = name if name in _ADDRESSES else f"{name}={environ[name]!r}"
        raise Failure(f"{shown} is refused: {fix}")
    return {name: value for name, value in read.items() if value is not None}
