"""The shape of queries: ranges, filters, pages and exports."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError

from app.http.cursors import CURSOR
from app.http.fields import Choice, Instant, Numeral, StrictSchema, Token
from app.http.rules import Reason
from app.interactions.ids import INTERACTION_ID
from app.interactions.model import MODES, SEARCHED_COUNT, STATUSES
from app.interactions.schemas import IDENTIFIER, MODEL

MAX_PER_PAGE = 100
DEFAULT_PER_PAGE = 20
_SEARCHED = (
    f"A page searches at most {SEARCHED_COUNT:,} turns: it may be short or empty and have a cursor."
)


class RangeQuerySchema(StrictSchema):
    """A half-open range of instants: `from` inclusive, `to` exclusive, both optional."""

    from_ms = Instant(
        data_key="from",
        allow_date=True,
        description="Inclusive. An instant with a zone, or a day in UTC. Left out, or earlier: 180 "
        "days ago.",
    )
    to_ms = Instant(
        data_key="to",
        allow_date=True,
        description="Exclusive. An instant with a zone, or a day in UTC, later than `from`. Left "
        "out: no bound.",
    )

    def check_whole(self, loaded: Mapping[str, Any], _data: Mapping[str, Any]) -> None:
        """Require `from` to be earlier than `to`."""
        if "from_ms" in loaded and "to_ms" in loaded and loaded["from_ms"] >= loaded["to_ms"]:
            reason = Reason("out_of_range", "must be earlier than `to`", {"before": "to"})
            raise ValidationError({"from": [reason]})


class FilterQuerySchema(RangeQuerySchema):
    """A range and filters, all combined with AND."""

    user_id = Token(IDENTIFIER, description="Only turns of this user.")
    relationship_id = Token(IDENTIFIER, description="Only turns of this relationship.")


class ListQuerySchema(FilterQuerySchema):
    """The query of a list: filters, the length of a page, and a cursor."""

    status = Choice(STATUSES, description=f"Exact match. {_SEARCHED}")
    mode = Choice(MODES, description=f"Exact match. {_SEARCHED}")
    llm_model = Token(MODEL, description=f"`usage.llm_model`, without a provider. {_SEARCHED}")
    turn_id = Token(
        IDENTIFIER, description="The producer's own id of a turn: at most one item, no cursor."
    )
    limit = Numeral(
        1,
        MAX_PER_PAGE,
        load_default=DEFAULT_PER_PAGE,
        description="Turns in a page, at most. A page may be shorter: only a null `next_cursor` "
        "ends the listing. An export has no pages: leave it out.",
    )
    cursor = Token(
        CURSOR,
        description="`next_cursor` of the previous page, with the same filters. Valid for 24 "
        "hours, whatever the `limit`.",
    )


class ExportQuerySchema(ListQuerySchema):
    """The query of an export: the list's filters, and the last turn of an answer that was cut."""

    class Meta:
        """An export has no pages."""

        exclude = ("limit", "cursor")

    after = Token(INTERACTION_ID, description="The last interaction id that arrived.")
