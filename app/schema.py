"""The database's indexes and validators: made by a command at each release, never at import."""

from app.http.problems import Problem
from app.http.provide import provided
from app.interactions.store import COLLECTION as INTERACTIONS
from app.interactions.store import InteractionStore
from app.tenancy.store import KEYS_COLLECTION, TenancyStore
from app.usage.store import UsageStore
from app.usage.upkeep import Upkeep
from config.settings import BackendKind, Settings


def ensure_schema() -> list[dict[str, str]]:
    """Make every index and validator of the running application; harmless when they are there.

    Returns every index with its collection, apart from those that MongoDB makes on `_id`.
    """
    # The in-memory twin knows no validators.
    is_live = provided(Settings).backend is BackendKind.LIVE
    indexes = {
        KEYS_COLLECTION: provided(TenancyStore).ensure_schema(),
        INTERACTIONS: provided(InteractionStore).ensure_schema(has_validators=is_live),
        **provided(UsageStore).ensure_schema(),
    }
    return [
        {"collection": collection, "index": name}
        for collection, names in indexes.items()
        for name in names
    ]


def require_schema() -> None:
    """A `service_unavailable` problem that names the remedy unless the indexes are there."""
    if not provided(Upkeep).has_schema():
        raise Problem(
            "service_unavailable",
            "The database lacks its indexes: run `flask --app wsgi db init` first.",
        )
