"""Drive a running service by the client that openapi-python-client generates."""

import os
import sys
from datetime import UTC, datetime

from turnledger_client import AuthenticatedClient
from turnledger_client.api.interactions import (
    get_interaction,
    list_interactions,
    record_interaction,
    record_interactions_batch,
)
from turnledger_client.api.turns import (
    cancel_turn,
    complete_turn,
    complete_turns_batch,
    reserve_turn,
)
from turnledger_client.api.usage import (
    aggregate_interactions,
    get_active_relationships,
    get_turns_usage,
)
from turnledger_client.models import (
    AggregateInteractionsBreakdown,
    AggregateInteractionsGroupBy,
    Batch,
    BatchedCompletion,
    BatchResultStatus,
    Completion,
    CompletionMode,
    Completions,
    CompletionStatus,
    ConflictDetailsReason,
    ErrorCode,
    Reservation,
    ReservationMode,
    Turn,
    TurnMode,
    TurnStatus,
    Usage,
)

CLIENT = AuthenticatedClient(
    base_url=os.environ["TURNLEDGER_URL"], token=os.environ["TURNLEDGER_KEY"]
)
NOW = datetime.now(UTC).replace(microsecond=0)
NAME = f"py-{NOW.timestamp():.0f}"
PERSONALITY = "pers_bob"
checked: list[str] = []


def main() -> None:
    """Send one request of each kind, and compare its answer."""
    turn = Turn(
        turn_id=NAME,
        occurred_at=NOW,
        mode=TurnMode.STATEFUL,
        status=TurnStatus.COMPLETED,
        user_id="u_43",
        relationship_id="rel_43",
        personality_id=PERSONALITY,
        usage=Usage(llm_provider="openai", llm_model="gpt-4o-mini", input_tokens=9),
        latency_ms=1840,
    )
    read(record(turn))
    sum_up()
    reserve()
    fail(turn)
    print(f"{len(checked)} checks hold")


def record(turn: Turn) -> str:
    """Record a turn twice; return its id."""
    first = record_interaction.sync_detailed(client=CLIENT, body=turn)
    check("a recording", first.status_code == 201 and first.parsed.usage.turns_consumed == 1)
    check("its request id", len(first.headers["X-Request-Id"]) == 26)
    again = record_interaction.sync_detailed(client=CLIENT, body=turn)
    check("a repetition", again.status_code == 200 and again.parsed == first.parsed)
    batch = Batch(interactions=[turn])
    results = record_interactions_batch.sync(client=CLIENT, body=batch).results
    check("a batch", results[0].status == BatchResultStatus.DUPLICATE)
    return str(first.parsed.interaction_id)


def read(interaction_id: str) -> None:
    """List the turn and get it."""
    page = list_interactions.sync(client=CLIENT, limit=1, user_id="u_43")
    check("a page", page.data[0].interaction_id == interaction_id and page.next_cursor is None)
    item = get_interaction.sync(interaction_id, client=CLIENT)
    check("a turn", item.created_at == NOW and item.memory is None)


def sum_up() -> None:
    """Read aggregates, usage and relationships."""
    sums = aggregate_interactions.sync(
        client=CLIENT,
        user_id="u_43",
        group_by=AggregateInteractionsGroupBy.DAY,
        breakdown=AggregateInteractionsBreakdown.MODEL,
    )
    today = sums.data[-1]
    check("aggregates", today.total_turns == 1 and today.input_tokens == 9)
    check("a breakdown", today.breakdown[0].key == "openai/gpt-4o-mini")
    quota = get_turns_usage.sync(client=CLIENT).quota
    check("usage", quota.turns_used >= 1 and quota.turns_limit is None)
    check("relationships", get_active_relationships.sync(client=CLIENT).active_relationships >= 1)


def reserve() -> None:
    """Reserve two turns; complete one and cancel the other."""
    wanted = reservation("a")
    held = reserve_turn.sync_detailed(client=CLIENT, body=wanted)
    check("a reservation", held.status_code == 201 and held.parsed.quota.turns_reserved == 1)
    trace = Completion(
        turn_id=wanted.turn_id,
        mode=CompletionMode.STATELESS,
        status=CompletionStatus.COMPLETED,
        personality_id=PERSONALITY,
        latency_ms=12.5,
    )
    completed = complete_turn.sync_detailed(held.parsed.interaction_id, client=CLIENT, body=trace)
    check("a completion", completed.status_code == 201 and completed.parsed.latency_ms == 13)
    element = {**trace.to_dict(), "interaction_id": held.parsed.interaction_id}
    batch = Completions(completions=[BatchedCompletion.from_dict(element)])
    results = complete_turns_batch.sync(client=CLIENT, body=batch).results
    check("a batch of completions", results[0].status == BatchResultStatus.DUPLICATE)
    held = reserve_turn.sync_detailed(client=CLIENT, body=reservation("b", hold_seconds=30))
    cancelled = cancel_turn.sync_detailed(held.parsed.interaction_id, client=CLIENT)
    check("a cancel", cancelled.status_code == 204)


def reservation(name: str, hold_seconds: int = 150) -> Reservation:
    """Return the body of a reservation."""
    return Reservation(
        turn_id=f"{NAME}-{name}",
        mode=ReservationMode.STATELESS,
        personality_id=PERSONALITY,
        hold_seconds=hold_seconds,
    )


def fail(turn: Turn) -> None:
    """Send requests that are refused."""
    beyond = list_interactions.sync_detailed(client=CLIENT, limit=1_000)
    check("a 400", beyond.status_code == 400)
    check("its code", beyond.parsed.error.code == ErrorCode.VALIDATION_ERROR)
    unknown = get_interaction.sync("int_00000000000000000000000000", client=CLIENT)
    check("a 404", unknown.error.code == ErrorCode.NOT_FOUND)
    turn.latency_ms = 1
    conflict = record_interaction.sync(client=CLIENT, body=turn)
    check("a 409", conflict.error.details.reason == ConflictDetailsReason.OTHER_CONTENT)


def check(name: str, holds: object) -> None:
    """Count a check; end with 1 if it does not hold."""
    checked.append(name)
    if not holds:
        sys.exit(f"Python client: {name} is not as expected")


if __name__ == "__main__":
    main()
