"""Who may pass: each request is authenticated, admitted and held to its route's policy."""

import hmac
import ipaddress
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from flask import Flask, Response, g, request

from app.admission.concurrency import ConcurrencyExceeded, ConcurrencyLimiter, InFlight
from app.admission.decision import Decision, Outcome, QuotaState, TurnCharge
from app.admission.gate import Gate
from app.admission.headers import quota_headers, rate_headers
from app.admission.ip_limits import IpLimits
from app.admission.refusals import concurrency_problem, require_admission
from app.http.bearer import bearer_token
from app.http.current import current_notes, current_request
from app.http.errors import find_answer, find_problem
from app.http.faults import AccountFault
from app.http.problems import Problem
from app.http.provide import provided
from app.http.query import refuse_query
from app.policies import POLICIES, Door, Policy, Weight
from app.tenancy.authentication import Authenticator
from app.tenancy.errors import (
    AuthenticationFailed,
    OperatorTokenMissing,
    OrganizationSuspended,
    ScopeMissing,
    TenancyError,
)
from app.tenancy.model import Principal, Scope

T = TypeVar("T")


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
        outages: tuple[type[Exception], ...],
    ) -> None:
        self._authenticator = authenticator
        self._gate = gate
        self._ip_limits = ip_limits
        self._concurrency = concurrency
        self._operator_token = operator_token.encode()
        self._unanswered: tuple[type[Exception], ...] = (Problem, AccountFault, *outages)

    def init_app(self, app: Flask) -> None:
        """Guard every route of `app`; RuntimeError if one has no policy."""
        self._ip_limits.init_app(app)
        app.before_request(self._enter)
        app.after_request(self._show)
        app.teardown_request(self._leave)
        without = {rule.endpoint for rule in app.url_map.iter_rules()} - set(POLICIES)
        if without:
            raise RuntimeError(f"routes without an access policy: {', '.join(sorted(without))}")

    def _enter(self) -> Response | None:
        try:
            self._require_entry()
        except Exception as error:
            # Flask's own way to the same answer is long, and floods are refused here.
            answer = find_answer(error)
            if answer is None:
                raise
            return answer
        return None

    def _require_entry(self) -> None:
        endpoint = current_request().endpoint
        if endpoint is None:  # no such route or method: the router's answer, if the address may ask
            self._charge_address()
            return
        policy = POLICIES[endpoint]
        if policy.door is Door.PUBLIC:
            self._charge_address()
        elif policy.door is Door.OPERATOR:
            self._require_operator()
        elif policy.scope is not None:
            self._enter_with_key(policy, policy.scope)
        if policy.door is Door.RECORDING:
            parse_or_charge(refuse_query)
        elif policy.door is not Door.PROBE and not policy.takes_query:
            refuse_query()

    def _enter_with_key(self, policy: Policy, scope: Scope) -> None:
        principal = self._authenticate()
        objection = _objection(principal, scope)
        crowded = None if objection else self._count_in_flight(principal, policy)
        problem: Exception | None = objection or crowded
        if policy.door is Door.METERED or problem is not None:
            tells_quota = policy.shows_quota or problem is not None
            decision = self.admit() if tells_quota else self._take_token()
            if problem is None and policy.needs_redis and decision.is_local:
                problem = Problem.unavailable()
        if crowded is not None:  # it has paid its token, and is refused all the same
            current_notes().decision = decision._replace(outcome=Outcome.RATE_LIMITED)
        if problem is not None:
            raise problem

    def _count_in_flight(self, principal: Principal, policy: Policy) -> Problem | None:
        is_light = policy.weight is Weight.LIGHT
        is_heavy = not is_light and policy.is_heavy(current_request().args)
        try:
            in_flight = self._concurrency.enter(principal.organization_id, is_heavy=is_heavy)
        except ConcurrencyExceeded as exceeded:
            return concurrency_problem(exceeded)
        current_notes().in_flight = in_flight
        return None

    def _leave(self, error: BaseException | None) -> None:
        """Stop counting the request, unless its answer is a stream, which leaves when closed.

        With an `error` another answer has replaced the stream, and nobody closes that.
        """
        in_flight: InFlight | None = current_notes().get("in_flight")
        if in_flight is not None and (error is not None or not in_flight.is_streamed):
            self._concurrency.leave(in_flight)

    def _take_token(self) -> Decision:
        decision = current_notes().decision = self._gate.enter(current_principal())
        return require_admission(decision)

    def _authenticate(self) -> Principal:
        try:
            principal = self._authenticator.authenticate(_authorization())
        except (AuthenticationFailed, AccountFault) as error:
            # Without a right key the address's bucket pays, so that guessing is slow.
            if not (isinstance(error, AccountFault) and error.is_key_proven):
                self._charge_address()
            raise
        current_notes().principal = principal
        return principal

    def _require_operator(self) -> None:
        given = (bearer_token(_authorization()) or "").encode()
        if not self._operator_token or not hmac.compare_digest(given, self._operator_token):
            self._charge_address()
            raise OperatorTokenMissing

    def _charge_address(self) -> None:
        g.decision = self._ip_limits.charge(client_address())
        require_admission(g.decision)

    def admit(self, turns: Sequence[TurnCharge] = ()) -> Decision:
        """Charge the organization's bucket and, for `turns`, its quota, in one atomic call.

        Raises the 429 if the bucket refuses. A refusal by quota is in the decision's items, for
        the recording service to weigh: the turn may be stored already.
        """
        decision = current_notes().decision = self._gate.admit(current_principal(), turns)
        return require_admission(decision)

    def admit_more(self, turns: Sequence[TurnCharge]) -> Decision:
        """Charge the quota for `turns` of a request that has paid the bucket already.

        Once Redis did not answer it is not asked again: a request waits for it at most once.
        """
        admit = self._gate.admit_locally if current_decision().is_local else self._gate.admit
        more = admit(current_principal(), turns, tokens=0)
        g.decision = current_decision()._replace(quota=more.quota, is_local=more.is_local)
        return more

    def reserve(self, charge: TurnCharge, hold_us: int) -> Decision:
        """Charge the bucket and hold a place for a turn, in one atomic call.

        Raises the 429 of the bucket, or of too many open reservations; not that of the quota.
        """
        g.decision = self._gate.reserve(current_principal(), charge, hold_us)
        return require_admission(g.decision)

    def complete(self, charge: TurnCharge, reserved_at_us: int) -> Decision:
        """Charge the bucket and a turn that was reserved then; raises the 429 of the bucket."""
        g.decision = self._gate.complete(current_principal(), charge, reserved_at_us)
        return require_admission(g.decision)

    def cancel(self, turn_key: str, reserved_at_us: int) -> Decision:
        """Charge the bucket and give back what is reserved; raises the 429 of the bucket.

        Problem `service_unavailable` while Redis is ill: nothing was given back.
        """
        g.decision = self._gate.cancel(current_principal(), turn_key, reserved_at_us)
        decision = require_admission(g.decision)
        if decision.is_local:
            raise Problem.unavailable()
        return decision

    def withdraw(self, turn_key: str, reserved_at_us: int) -> None:
        """Give back what this very request has reserved; show the counters as they are then.

        Where Redis has fallen ill meanwhile it lapses by itself.
        """
        less = self._gate.cancel(
            current_principal(), turn_key, reserved_at_us, tokens=0, is_remembered=False
        )
        g.decision = current_decision()._replace(quota=less.quota)

    def refund(self, decision: Decision, indexes: Iterable[int]) -> None:
        """Take back charges of `decision`, and show the counters as they are after it."""
        quota = self._gate.refund(current_principal(), decision, indexes)
        g.decision = current_decision()._replace(quota=quota)

    def quota(self) -> QuotaState:
        """The account's counters in its present period; the headers show the same.

        Problem `service_unavailable` while Redis is ill: to count them in the ledger for whoever
        asks would pass the illness on to MongoDB.
        """
        if current_decision().is_local:
            raise Problem.unavailable()
        state = current_decision().quota or self._gate.quota(current_principal())
        g.decision = current_decision()._replace(quota=state)
        return state

    def walk_instant_us(self) -> int:
        """The instant at which a walk starts: later than every turn acknowledged so far.

        Without counters the decision does not know it, for the clock may have stepped back. Then
        the ledger is asked: through Redis, or by itself while that does not answer.
        """
        decision = current_decision()
        if decision.now_us is not None:
            return decision.now_us
        if not decision.is_local:
            with suppress(*self._unanswered):
                return self._gate.now_us(current_principal())
        return self._gate.now_us_by_ledger(current_principal())

    def _show(self, response: Response) -> Response:
        notes = current_notes()
        if "in_flight" in notes and response.is_streamed:
            notes.in_flight.is_streamed = True
            response.call_on_close(partial(self._concurrency.leave, notes.in_flight))
        decision: Decision | None = notes.get("decision")
        shown = rate_headers(decision) if decision else {}
        if "principal" in notes and decision and _shows_quota(response, decision):
            quota = decision.quota or self._find_quota(decision)
            shown |= quota_headers(quota) if quota else {}
        if not _may_be_stored(response):
            shown["Cache-Control"] = "no-store"
        for name, value in shown.items():
            # Nobody else sets these: no need to look for an earlier one, at thrice the cost.
            response.headers.add(name, value)
        return response

    def _find_quota(self, decision: Decision) -> QuotaState | None:
        if decision.is_local:
            return None
        try:
            return self._gate.quota(current_principal())
        except self._unanswered:
            return None  # the answer stands; only these headers are left out


def current_principal() -> Principal:
    """Whose key this request carries; only behind a door that asks for one."""
    principal: Principal = current_notes().principal
    return principal


def current_decision() -> Decision:
    """What admission said of this request."""
    decision: Decision = current_notes().decision
    return decision


def parse_or_charge(parse: Callable[[], T]) -> T:
    """Run `parse` behind a recording door, where the bucket is not charged yet.

    A malformed request pays it before it is told so: that keeps floods of bad requests limited and
    the headers of their answers true.
    """
    try:
        return parse()
    except Exception as error:
        if find_problem(error) is not None:
            provided(Access).admit()
        raise


def client_address() -> str:
    """The caller's IP address as text, normalised.

    What trusted proxies said counts only if it is an address; otherwise the socket's peer does.
    """
    original = request.environ.get("werkzeug.proxy_fix.orig") or {}
    for candidate in (request.remote_addr, original.get("REMOTE_ADDR")):
        try:
            return str(ipaddress.ip_address(candidate or ""))
        except ValueError:
            continue
    return "0.0.0.0"  # noqa: S104 (a Unix socket has no address: one bucket for all of them)


def _authorization() -> str | None:
    # What werkzeug's headers would look up there, at ten times the cost.
    found: str | None = current_request().environ.get("HTTP_AUTHORIZATION")
    return found


def _objection(principal: Principal, scope: Scope) -> TenancyError | None:
    if principal.is_suspended:
        return OrganizationSuspended()
    if not principal.scope.includes(scope):
        return ScopeMissing(scope)
    return None


def _may_be_stored(response: Response) -> bool:
    """Return True if caches may keep the answer: only what a public route has to say."""
    policy = POLICIES.get(current_request().endpoint or "")
    return response.status_code < 400 and policy is not None and policy.door is Door.PUBLIC


def _shows_quota(response: Response, decision: Decision) -> bool:
    policy, status = POLICIES[current_request().endpoint or ""], response.status_code
    # A recording that is malformed charged nothing; who asks for usage reads it in any case.
    is_answered = status < 300 or (status == 400 and policy.door is Door.METERED)
    is_told = policy.shows_quota and is_answered
    return is_told or bool(decision.items) or status in (403, 429)
