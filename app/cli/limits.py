"""`flask limits`: the rate limits of organizations; flask-limiter owns `flask limiter`."""

from app.cli.output import (
    OperatorGroup,
    Record,
    json_option,
    print_records,
    say,
)
from app.cli.rows import counted, rows_option
from app.http.application import provided
from app.watch.limited import LimitedOrganization, LimitedOrganizations

group = OperatorGroup("limits", reading=("top",), help="Rate limits of organizations.")


@group.command("top")
@rows_option
@json_option
def top(rows_count: int, *, as_json: bool) -> None:
    """List the organizations whose bucket is not full, the emptiest first; takes no token."""
    found = provided(LimitedOrganizations).list_()
    shape = _wire if as_json else _row
    empty = "Every bucket is full: nobody is limited."
    print_records([shape(each) for each in found[:rows_count]], as_json=as_json, empty=empty)
    if len(found) > rows_count and not as_json:
        say(f"{counted(len(found) - rows_count, 'more organization')}: --rows shows more.")


def _wire(limited: LimitedOrganization) -> Record:
    organization, bucket = limited.organization, limited.bucket
    return {
        "organization": organization.id,
        "name": organization.name,
        "tokens_left": bucket.remaining,
        "burst": organization.limits.burst,
        "requests_per_second": organization.limits.requests_per_second,
        "next_token_in_ms": -(-bucket.retry_after_us // 1_000),
    }


def _row(limited: LimitedOrganization) -> Record:
    limits, bucket = limited.organization.limits, limited.bucket
    return {
        "id": limited.organization.id,
        "tokens": f"{bucket.remaining:,} of {limits.burst:,}",
        "rate": f"{limits.requests_per_second:,}/s",
    }
