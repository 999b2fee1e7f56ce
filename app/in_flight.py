"""Count each request of an organization from its authentication to the end of its answer.

A streamed answer ends when it is closed, which may be long after its view has returned.
"""

from functools import partial

from flask import Flask, Response

from app.admission.concurrency import ConcurrencyLimiter, InFlight
from app.http.current import current_notes, current_request
from app.policies import Policy, Weight


class InFlightRequests:
    """Applies a `ConcurrencyLimiter` to the current request."""

    def __init__(self, limiter: ConcurrencyLimiter) -> None:
        self._limiter = limiter

    def init_app(self, app: Flask) -> None:
        """Register the function that stops counting a request at its end."""
        app.teardown_request(self._leave)

    def enter(self, organization_id: str, policy: Policy) -> None:
        """Count the request; raise ConcurrencyExceeded if it exceeds a limit."""
        is_heavy = policy.weight is not Weight.LIGHT and policy.is_heavy(current_request().args)
        current_notes().in_flight = self._limiter.enter(organization_id, is_heavy=is_heavy)

    def keep_until_closed(self, response: Response) -> None:
        """Count the request, if it is counted, until its streamed `response` is closed."""
        in_flight: InFlight | None = current_notes().get("in_flight")
        if in_flight is not None:
            in_flight.is_streamed = True
            response.call_on_close(partial(self._limiter.leave, in_flight))

    def _leave(self, error: BaseException | None) -> None:
        """Stop counting the request, unless its answer is a stream that is closed later.

        With an `error`, another answer has replaced the stream, and nobody closes the stream.
        """
        in_flight: InFlight | None = current_notes().get("in_flight")
        if in_flight is not None and (error is not None or not in_flight.is_streamed):
            self._limiter.leave(in_flight)
