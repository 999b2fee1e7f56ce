"""Record the spans of an export as turns."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.admission.chunks import chunked
from app.admission.clock import RequestClock
from app.admission.errors import QuotaExhausted
from app.admission.ticket import AdmissionTicket
from app.http.problems import Problem
from app.http.request_errors import InvalidFields
from app.interactions.attempts import Recorded, RecordingOutcome
from app.interactions.batch import price_of
from app.interactions.errors import TurnNotStored
from app.interactions.model import TurnTrace
from app.interactions.recording import Recorder
from app.interactions.schemas import MAX_PER_BATCH
from app.otlp.counting import count_dropped, count_spans
from app.otlp.mapping import Sources, body_of, turn_id_of
from app.otlp.spans import Span
from app.otlp.trees import turns_of

# An exporter sends 512 spans at once by default.
MOST_TURNS = 5_000
_MOST_REASONS = 5
_BEYOND = "beyond the most of one request"
FindProblem = Callable[[Exception], Problem | None]


class Received(NamedTuple):
    """The outcome of an export: `reasons` of rejected spans, each with its count."""

    reasons: Counter[str]

    @property
    def rejected_count(self) -> int:
        """Number of spans that are not recorded."""
        return self.reasons.total()

    @property
    def message(self) -> str:
        """What was rejected and why, for the log of the exporter; "" if nothing was."""
        if not self.reasons:
            return ""
        named = [f"{count} {reason}" for reason, count in self.reasons.most_common(_MOST_REASONS)]
        return f"{self.rejected_count} spans are not recorded: {', '.join(named)}."


class SpanReceiver:
    """Records spans; `sources` name the participants."""

    def __init__(self, recorder: Recorder, sources: Sources) -> None:
        self._recorder = recorder
        self._sources = sources
        self.wanted = sources.wanted

    def receive(
        self, spans: Sequence[Span], ticket: AdmissionTicket, find_problem: FindProblem
    ) -> Received:
        """Record the spans that are turns, for a token of the rate limit for every 50 begun.

        Rejected ones cost the same, since each was read. A span that the ledger refuses is
        rejected. An outage raises, since a resend finds what is stored: RateLimited, and the errors
        of a request that may be repeated.
        """
        chosen = turns_of(spans)
        read, beyond_count = chosen[:MOST_TURNS], max(len(chosen) - MOST_TURNS, 0)
        reasons = Counter({_BEYOND: beyond_count} if beyond_count else {})
        turns, dropped = self._read(read, ticket.principal.account, reasons)
        outcomes = self._record(turns, ticket, tokens=price_of(len(read)) or 1)
        duplicates_count = 0
        for outcome in outcomes:
            if isinstance(outcome, Recorded):
                duplicates_count += not outcome.is_new
            else:
                reasons[_reason(outcome, find_problem)] += 1
        count_dropped(dropped)
        recorded_count = len(chosen) - reasons.total() - duplicates_count
        count_spans(
            {
                "recorded": recorded_count,
                "duplicate": duplicates_count,
                "rejected": reasons.total(),
                "ignored": len(spans) - len(chosen),
            }
        )
        return Received(reasons)

    def _read(
        self, spans: Sequence[Span], account: str, reasons: Counter[str]
    ) -> tuple[list[TurnTrace], list[str]]:
        """Return the turns, and the names of dropped attributes; count what is malformed."""
        clock = self._recorder.request_clock()
        turns: list[TurnTrace] = []
        dropped: list[str] = []
        for span in spans:
            found, names = self._read_one(span, account, clock)
            dropped += names
            if isinstance(found, TurnTrace):
                turns.append(found)
            else:
                reasons[found] += 1
        return turns, dropped

    def _read_one(
        self, span: Span, account: str, clock: RequestClock
    ) -> tuple[TurnTrace | str, list[str]]:
        """Return the turn, or why it is rejected; and the names of dropped attributes."""
        if turn_id_of(span) is None:
            return "without a trace id or a span id", []
        body, unusable = body_of(span, self._sources)
        try:
            turn = self._recorder.read(account, body, clock, max_field_errors=1)
        except InvalidFields as error:
            return f"validation_error ({error.field_errors[0]['field']})", []
        return turn, [*span.dropped, *unusable]

    def _record(
        self, turns: Sequence[TurnTrace], ticket: AdmissionTicket, *, tokens: int
    ) -> list[RecordingOutcome]:
        first, others = turns[:MAX_PER_BATCH], turns[MAX_PER_BATCH:]
        outcomes = self._record_first(first, ticket, tokens)
        for chunk in chunked(others, MAX_PER_BATCH):
            outcomes += self._recorder.record_more(chunk, ticket)
        return outcomes

    def _record_first(
        self, turns: Sequence[TurnTrace], ticket: AdmissionTicket, tokens: int
    ) -> list[RecordingOutcome]:
        try:
            return self._recorder.record_many(turns, ticket, tokens=tokens)
        except QuotaExhausted as error:
            # A lone turn, behind an empty bucket too. A 429 would last until the period ends.
            return [error] * len(turns)


def _reason(error: Exception, find_problem: FindProblem) -> str:
    """Return why a span is rejected; raise what a resend may store, and what nobody expects.

    A turn that the database refuses is refused again: it must not stop the other turns.
    """
    problem = find_problem(error)
    is_final = isinstance(error, TurnNotStored)
    if problem is None or (problem.kind.status >= 500 and not is_final):
        raise error
    details = problem.details if isinstance(problem.details, dict) else {}
    named = details.get("component") or details.get("reason")
    return f"{problem.code} ({named})" if named else problem.code
