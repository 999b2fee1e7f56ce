"""`flask db`: indexes and validators, made at each release and never at import."""

from app.cli.output import OperatorGroup, json_option, print_records
from app.http.provide import provided
from app.interactions.store import InteractionStore
from app.tenancy.store import TenancyStore
from config.settings import BackendKind, Settings

group = OperatorGroup("db", help="The database's indexes and validators.")


@group.command("init")
@json_option
def init(*, as_json: bool) -> None:
    """Make what is missing; harmless when it is all there."""
    print_records(ensure_schema(), as_json=as_json)


def ensure_schema() -> list[dict[str, str]]:
    """Make every index and validator; what there is, by collection."""
    # The in-memory twin knows no validators.
    is_live = provided(Settings).backend is BackendKind.LIVE
    provided(TenancyStore).ensure_schema()
    indexes = provided(InteractionStore).ensure_schema(has_validators=is_live)
    return [{"collection": "interactions", "index": name} for name in indexes]
