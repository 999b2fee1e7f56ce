"""The door: each request is authenticated, admitted and held to its route's policy.

| door | authentication | charged |
| --- | --- | --- |
| PROBE, FILE | none | nothing |
| PUBLIC, LOGIN | none | the bucket of the client's address |
| CONSOLE | a session, by `app.console` | the address, without a session |
| OPERATOR | the operator's token | the address, if the token is wrong |
| PEEKING | a key | a bucket of this worker, in its memory |
| METERED | a key | the organization's bucket, here |
| RECORDING | a key | bucket and quota together, by the service, once the turns are parsed |

A request with a valid key is charged exactly once. If it is refused before that (scope, requests
in flight, a malformed body), it is charged on its way out. So floods of bad requests are limited,
and the headers of their answers are true. A request with an invalid key charges its address, so
guessing keys is slow.

A request with a valid key counts as in flight until the end of its answer. That of a streamed
answer is when it is closed, which may be long after its view has returned.
"""

import hmac
from collections.abc import Callable, Iterable
from functools import partial

from flask import Flask, Response

from app.admission.concurrency import ConcurrencyLimiter, InFlight
from app.admission.gate import Gate
from app.admission.headers import limit_headers, rate_headers
from app.admission.ip_limits import IpLimits
from app.admission.peek_limits import PeekLimits
from app.admission.ticket import AddressTicket, AdmissionTicket
from app.http.current import CurrentRequest, client_address, current_request
from app.http.errors import answer_of, find_answer
from app.http.faults import AccountFault
from app.http.query import refuse_query
from app.policies import (
    CACHEABLE,
    CHARGED_BY_ADDRESS,
    POLICIES,
    UNCHARGED,
    UNMATCHED,
    Door,
    Policy,
    Weight,
)
from app.tenancy.authentication import Authenticator, bearer_token
from app.tenancy.errors import (
    AuthenticationFailed,
    OperatorTokenMissing,
)

_Ticket = AddressTicket | AdmissionTicket


class Access:
    """The hooks before and after every request, and at its end."""

    def __init__(
        self,
        authenticator: Authenticator,
        gate: Gate,
        ip_limits: IpLimits,
        concurrency: ConcurrencyLimiter,
        peek_limits: PeekLimits,
        *,
        metrics_tokens: Iterable[str],
    ) -> None:
        self._authenticator = authenticator
        self._gate = gate
        self._ip_limits = ip_limits
        self._concurrency = concurrency
        self._peek_limits = peek_limits
        self._metrics_tokens = [token.encode() for token in metrics_tokens if token]

    def init_app(self, app: Flask) -> None:
        """Guard every route of `app`; RuntimeError if one has no policy."""
        self._ip_limits.init_app(app)
        app.before_request(self._enter)
        app.after_request(self._leave)
        app.teardown_request(self._end)
        without = {rule.endpoint for rule in app.url_map.iter_rules()} - set(POLICIES)
        if without:
            raise RuntimeError(f"routes without an access policy: {', '.join(sorted(without))}")

    def _enter(self) -> Response | None:
        try:
            self._require_entry()
        except Exception as error:
            # Flask's own way to the same answer is long, and floods are refused here.
            refusal = find_answer(error)
            if refusal is None:
                raise
            return refusal
        return None

    def recheck(self) -> Callable[[], None]:
        """Return a function that raises once the key of this request may not use its route.

        It may be called in other threads, and while the answer is being sent. It charges nothing.
        """
        asked = current_request()
        policy = POLICIES[asked.endpoint or ""]
        token = asked.environ.get("HTTP_AUTHORIZATION")
        return lambda: policy.require_permission(self._authenticator.authenticate(token))

    def _require_entry(self) -> None:
        asked = current_request()
        if asked.endpoint is None:  # no such route or method: the router answers, within the limit
            self.charge_address()
            return
        policy = POLICIES[asked.endpoint]
        token = asked.environ.get("HTTP_AUTHORIZATION")  # ten times as fast as werkzeug's headers
        if policy.door in CHARGED_BY_ADDRESS:
            self.charge_address()
        elif policy.door is Door.OPERATOR:
            self._require_operator(token)
        elif policy.door not in UNCHARGED:
            ticket = self._authenticate(asked, token)
            self._admit(asked, ticket, policy)
        if asked.query_string and not policy.takes_query:
            refuse_query()

    def _authenticate(self, asked: CurrentRequest, token: str | None) -> AdmissionTicket:
        try:
            principal = self._authenticator.authenticate(token)
        except AuthenticationFailed:
            self.charge_address()
            raise
        except AccountFault as error:
            # A right key of a faulty organization is no guess.
            if not error.is_key_proven:
                self.charge_address()
            raise
        asked.principal = principal
        ticket = asked.ticket = AdmissionTicket(self._gate, principal)
        return ticket

    def _admit(self, asked: CurrentRequest, ticket: AdmissionTicket, policy: Policy) -> None:
        principal = ticket.principal
        policy.require_permission(principal)
        is_heavy = policy.weight is not Weight.LIGHT and policy.is_heavy(asked.args)
        is_stream = policy.exports and asked.export_type is not None
        asked.in_flight = self._concurrency.enter(
            principal.organization_id, is_heavy=is_heavy or is_stream, is_stream=is_stream
        )
        if policy.door is not Door.METERED:
            if policy.door is Door.PEEKING:
                ticket.admit_by(self._peek_limits.charge(principal))
            return
        if policy.shows_quota:
            ticket.charge()
        else:
            ticket.take_token()
        if policy.needs_redis:
            ticket.require_counters()

    def _require_operator(self, token: str | None) -> None:
        given = (bearer_token(token) or "").encode()
        matches = [hmac.compare_digest(given, token) for token in self._metrics_tokens]
        if not any(matches):
            self.charge_address()
            raise OperatorTokenMissing

    def charge_address(self) -> None:
        """Charge the bucket of the client's address; RateLimited if it is empty."""
        ticket = AddressTicket(self._ip_limits.charge(client_address()))
        current_request().ticket = ticket
        ticket.require_admission()

    def _leave(self, response: Response) -> Response:
        """Finish an answer, in this order.

        1. A request that was refused before its charge is charged. If the bucket refuses too, its
           429 replaces the answer.
        2. The headers show the decision over the charge and depend on the final status.
        3. Caches may keep public answers, and those that allow it (`app.http.conditional`).
        4. A streamed answer counts as in flight until it is closed. This comes last: nobody closes
           an answer that was replaced.
        """
        asked = current_request()
        policy = POLICIES.get(asked.endpoint or "", UNMATCHED)
        ticket: _Ticket | None = asked.ticket
        if isinstance(ticket, AdmissionTicket) and ticket.decision is None:
            response = _charge_for_refusal(asked, ticket, response)
        if ticket is not None:
            response = _add_limit_headers(ticket, policy, response)
        is_error = response.status_code >= 400
        if policy.door in CACHEABLE and not is_error:
            response.vary.add("Accept-Encoding")
        elif is_error or not asked.may_be_kept:
            response.headers.add("Cache-Control", "no-store")
        in_flight: InFlight | None = asked.in_flight
        if in_flight is not None and response.is_streamed:
            in_flight.is_streamed = True
            response.call_on_close(partial(self._concurrency.leave, in_flight))
        return response

    def _end(self, error: BaseException | None) -> None:
        """Stop counting the request, unless its answer is a stream that is closed later.

        With an `error`, another answer has replaced the stream, and nobody closes the stream.
        """
        in_flight: InFlight | None = current_request().in_flight
        if in_flight is not None and (error is not None or not in_flight.is_streamed):
            self._concurrency.leave(in_flight)


def current_ticket() -> AdmissionTicket:
    """Return the admission of this request; only behind a door that asks for a key."""
    ticket: AdmissionTicket = current_request().ticket
    return ticket


def _charge_for_refusal(
    asked: CurrentRequest, ticket: AdmissionTicket, response: Response
) -> Response:
    """Charge a request that was not charged, if it was refused; return the answer to send.

    The bucket's own refusal comes first. A failed charge is answered like every error: Flask would
    log the exception's text.
    """
    is_refused = 400 <= response.status_code < 500 or asked.has_request_error
    if not is_refused:
        return response
    try:
        ticket.charge_for_refusal(counts_as_rate_limited=response.status_code == 429)
    except Exception as error:
        return answer_of(error)
    return response


def _add_limit_headers(ticket: _Ticket, policy: Policy, response: Response) -> Response:
    """Add the headers and return the answer to send: an error if the quota is unreadable."""
    shows_quota = policy.shows_quota_in(response.status_code)
    try:
        headers = limit_headers(ticket, shows_quota=shows_quota)
    except Exception as error:
        response = answer_of(error)
        headers = rate_headers(ticket.decision) if ticket.decision else {}
    # `add`: no other code sets these headers, and `set` takes three times as long.
    for name, value in headers.items():
        response.headers.add(name, value)
    return response
