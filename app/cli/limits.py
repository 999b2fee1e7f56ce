"""`flask limits`: the rate limits of organizations; flask-limiter owns `flask limiter`."""

from collections.abc import Mapping

from app.cli.groups import OperatorGroup
from app.cli.output import Record, json_option, print_record, print_records, say
from app.cli.rows import counted, rows_option, shown_names
from app.http.application import provided
from app.watch.limited import LimitedList, LimitedOrganization, LimitedOrganizations

group = OperatorGroup(
    "limits", reading=("top",), help="Show who is limited now; `org raise` raises a limit."
)


@group.command("top")
@rows_option
@json_option
def top(rows_count: int, *, as_json: bool) -> None:
    """List organizations that are limited now.

    They were refused by rate or quota in the last five minutes, or their bucket is not full. Those
    with the most refusals come first, then the emptiest buckets. Takes no token.
    """
    found = provided(LimitedOrganizations).list_()
    shown = found.organizations[:rows_count]
    if as_json:
        record = {
            "organizations": [_wire(each) for each in shown],
            "found": len(found.organizations),
            "refused_of_others": found.others_count,
        }
        print_record(record, as_json=True)
        return
    empty = "Every bucket is full, and nobody was refused in the last five minutes."
    names = shown_names([each.organization for each in shown])
    print_records([_row(each, names) for each in shown], as_json=False, empty=empty)
    _say_left_out(found, len(shown))


def _say_left_out(found: LimitedList, shown_count: int) -> None:
    if len(found.organizations) > shown_count:
        more = counted(len(found.organizations) - shown_count, "more organization")
        say(f"{more}: --rows shows more.")
    if found.others_count:
        say(f"{counted(found.others_count, 'refusal')} of organizations that minutes do not name.")


def _wire(limited: LimitedOrganization) -> Record:
    organization, bucket = limited.organization, limited.bucket
    return {
        "organization": organization.id,
        "name": organization.name,
        "refused": limited.refused_count,
        "causes": dict(limited.refusals),
        "tokens_left": bucket.remaining,
        "burst": organization.limits.burst,
        "requests_per_second": organization.limits.requests_per_second,
        "next_token_in_ms": -(-bucket.retry_after_us // 1_000),
    }


def _row(limited: LimitedOrganization, names: Mapping[str, str]) -> Record:
    limits, bucket = limited.organization.limits, limited.bucket
    return {
        "organization": names[limited.organization.id],
        "refused": f"{limited.refused_count:,}",
        "by": ", ".join(f"{cause} {count:,}" for cause, count in limited.causes) or None,
        "tokens": f"{bucket.remaining:,} of {limits.burst:,}",
    }
