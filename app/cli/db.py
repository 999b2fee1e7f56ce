"""`flask db`: indexes and validators, made at each release and never at import."""

from app.cli.output import OperatorGroup, json_option, print_changes
from app.schema import ensure_schema

group = OperatorGroup("db", help="The database's indexes and validators.")


@group.command("init")
@json_option
def init(*, as_json: bool) -> None:
    """Make what is missing, and show every index; harmless when it is all there."""
    print_changes(ensure_schema(), as_json=as_json)
