"""The door: each request is authenticated, admitted and held to its route's policy.

| door | authentication | charged |
| --- | --- | --- |
| PROBE | none | nothing |
| PUBLIC | none | the bucket of the client's address |
| OPERATOR | the operator's token | the address, if the token is wrong |
| METERED | a key | the organization's bucket, here |
| RECORDING | a key | bucket and quota together, by the service, once the turns are parsed |

A request with a valid key is charged exactly once. If it is refused before that (scope, requests
in flight, a malformed body), it is charged on its way out. So floods of bad requests are limited,
and the headers of their answers are true. A request with an invalid key charges its address, so
guessing keys is slow.
"""

import hmac

from flask import Flask, Response

from app.admission.concurrency import ConcurrencyLimiter
from app.admission.gate import Gate
from app.admission.headers import limit_headers, rate_headers
from app.admission.ip_limits import IpLimits
from app.admission.ticket import AddressTicket, AdmissionTicket
from app.http.current import client_address, current_notes, current_request
from app.http.errors import answer_of, find_answer
from app.http.faults import AccountFault
from app.http.query import refuse_query
from app.in_flight import InFlightRequests
from app.policies import POLICIES, UNMATCHED, Door, Policy
from app.tenancy.authentication import Authenticator, bearer_token
from app.tenancy.errors import (
    AuthenticationFailed,
    OperatorTokenMissing,
    OrganizationSuspended,
)
from app.tenancy.model import Principal

_Ticket = AddressTicket | AdmissionTicket


class Access:
    """The hook before every request and the headers after it."""

    def __init__(
        self,
        authenticator: Authenticator,
        gate: Gate,
        ip_limits: IpLimits,
        concurrency: ConcurrencyLimiter,
        *,
        operator_token: str,
    ) -> None:
        self._authenticator = authenticator
        self._gate = gate
        self._ip_limits = ip_limits
        self._in_flight = InFlightRequests(concurrency)
        self._operator_token = operator_token.encode()

    def init_app(self, app: Flask) -> None:
        """Guard every route of `app`; RuntimeError if one has no policy."""
        self._ip_limits.init_app(app)
        app.before_request(self._enter)
        app.after_request(self._leave)
        self._in_flight.init_app(app)
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

    def _require_entry(self) -> None:
        asked = current_request()
        if asked.endpoint is None:  # no such route or method: the router answers, within the limit
            self._charge_address()
            return
        policy = POLICIES[asked.endpoint]
        token = asked.environ.get("HTTP_AUTHORIZATION")  # ten times as fast as werkzeug's headers
        if policy.door is Door.PUBLIC:
            self._charge_address()
        elif policy.door is Door.OPERATOR:
            self._require_operator(token)
        elif policy.door.asks_for_key:
            self._admit(self._authenticate(token), policy)
        if asked.query_string and not policy.takes_query:
            refuse_query()

    def _authenticate(self, token: str | None) -> Principal:
        try:
            principal = self._authenticator.authenticate(token)
        except AuthenticationFailed:
            self._charge_address()
            raise
        except AccountFault as error:
            # A right key of a faulty organization is no guess.
            if not error.is_key_proven:
                self._charge_address()
            raise
        current_notes().principal = principal
        return principal

    def _admit(self, principal: Principal, policy: Policy) -> None:
        ticket = current_notes().ticket = AdmissionTicket(self._gate, principal)
        if principal.is_suspended:
            raise OrganizationSuspended
        policy.require_scope(principal.scope)
        self._in_flight.enter(principal.organization_id, policy)
        if policy.door is not Door.METERED:
            return
        if policy.shows_quota:
            ticket.charge()
        else:
            ticket.take_token()
        if policy.needs_redis:
            ticket.require_counters()

    def _require_operator(self, token: str | None) -> None:
        given = (bearer_token(token) or "").encode()
        if not self._operator_token or not hmac.compare_digest(given, self._operator_token):
            self._charge_address()
            raise OperatorTokenMissing

    def _charge_address(self) -> None:
        ticket = AddressTicket(self._ip_limits.charge(client_address()))
        current_notes().ticket = ticket
        ticket.require_admission()

    def _leave(self, response: Response) -> Response:
        """Finish an answer, in this order.

        1. A request that was refused before its charge is charged. If the bucket refuses too, its
           429 replaces the answer.
        2. The headers show the decision over the charge and depend on the final status.
        3. A streamed answer counts as in flight until it is closed. This comes last: nobody closes
           an answer that was replaced.
        """
        policy = POLICIES.get(current_request().endpoint or "", UNMATCHED)
        ticket: _Ticket | None = current_notes().get("ticket")
        if ticket is not None:
            response = _charge_for_refusal(ticket, response)
            response = _add_limit_headers(ticket, policy, response)
        if policy.door is not Door.PUBLIC or response.status_code >= 400:  # not for caches
            response.headers.add("Cache-Control", "no-store")
        if response.is_streamed:
            self._in_flight.keep_until_closed(response)
        return response


def current_principal() -> Principal:
    """Return the principal of this request's key; only behind a door that asks for one."""
    principal: Principal = current_notes().principal
    return principal


def current_ticket() -> AdmissionTicket:
    """Return the admission of this request; only behind a door that asks for a key."""
    ticket: AdmissionTicket = current_notes().ticket
    return ticket


def _charge_for_refusal(ticket: _Ticket, response: Response) -> Response:
    """Charge a request that was refused before its charge; return the answer to send.

    The bucket's own refusal comes first. The ticket of an address has its decision from the start.
    A failed charge is answered like every error: Flask would log the exception's text.
    """
    is_refused = 400 <= response.status_code < 500 or "has_request_error" in current_notes()
    if isinstance(ticket, AddressTicket) or ticket.decision is not None or not is_refused:
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
