"""Who may pass: authenticates, admits and checks the scope of every request by one table.

A route that is not in `POLICIES` keeps the application from starting, so forgetting is impossible.
"""

import hmac
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from flask import Flask, Response, g, request

from app.admission.decision import Decision, Outcome, QuotaState, TurnCharge
from app.admission.gate import Gate
from app.admission.headers import quota_headers, rate_headers, retry_after_s
from app.admission.ip_limits import IpLimits
from app.http.instants import format_ms
from app.http.problems import Problem
from app.http.provide import provided
from app.tenancy.authentication import Authenticator
from app.tenancy.model import Principal, Scope

T = TypeVar("T")


class Door(Enum):
    """How a route is guarded."""

    PROBE = "neither limited nor authenticated"
    PUBLIC = "no key, one bucket for each address"
    OPERATOR = "the operator's token"
    METERED = "a key; the organization's bucket is charged at once"
    RECORDING = "a key; bucket and quota are charged together, once the turns are parsed"


@dataclass(frozen=True, slots=True)
class Policy:
    """A door, and the scope that a key needs to pass it."""

    door: Door
    scope: Scope | None = None


PROBE = Policy(Door.PROBE)
PUBLIC = Policy(Door.PUBLIC)
OPERATOR = Policy(Door.OPERATOR)
READING = Policy(Door.METERED, Scope.READ)
MANAGING = Policy(Door.METERED, Scope.ADMIN)
RECORDING = Policy(Door.RECORDING, Scope.READ_WRITE)

POLICIES: Mapping[str, Policy] = {
    "health.alive": PROBE,
    "health.ready": PROBE,
    "metrics.scrape": OPERATOR,
    "api-docs.openapi_json": PUBLIC,
    "documentation.errors": PUBLIC,
    "accounts.list_plans": PUBLIC,
    "accounts.me": READING,
    "accounts.list_api_keys": MANAGING,
    "accounts.create_api_key": MANAGING,
    "accounts.get_api_key": MANAGING,
    "accounts.revoke_api_key": MANAGING,
    "interactions.list_": READING,
    "interactions.get": READING,
    "interactions.record": RECORDING,
    "interactions.record_batch": RECORDING,
}


class Access:
    """The hook before every request and the headers after it."""

    def __init__(
        self,
        authenticator: Authenticator,
        gate: Gate,
        ip_limits: IpLimits,
        operator_token: str,
        outages: tuple[type[Exception], ...],
    ) -> None:
        self._authenticator = authenticator
        self._gate = gate
        self._ip_limits = ip_limits
        self._operator_token = operator_token.encode()
        self._unanswered: tuple[type[Exception], ...] = (Problem, *outages)

    def init_app(self, app: Flask) -> None:
        """Guard every route of `app`; RuntimeError if one has no policy."""
        self._ip_limits.init_app(app)
        app.before_request(self._enter)
        app.after_request(self._show)
        without = {rule.endpoint for rule in app.url_map.iter_rules()} - set(POLICIES)
        if without:
            raise RuntimeError(f"routes without an access policy: {', '.join(sorted(without))}")

    def _enter(self) -> None:
        if request.endpoint is None:  # no such route: the router's answer stands
            return
        policy = POLICIES[request.endpoint]
        if policy.door is Door.PUBLIC:
            self._charge_address()
        elif policy.door is Door.OPERATOR:
            self._require_operator()
        elif policy.scope is not None:
            self._enter_with_key(policy.door, policy.scope)

    def _enter_with_key(self, door: Door, scope: Scope) -> None:
        principal = self._authenticate()
        problem = _objection(principal, scope)
        if door is Door.METERED or problem is not None:
            self.admit()
        if problem is not None:
            raise problem

    def _authenticate(self) -> Principal:
        try:
            principal = self._authenticator.authenticate(request.headers.get("Authorization"))
        except Problem:
            # Who fails pays with the address's bucket, so that guessing is slow.
            self._charge_address()
            raise
        g.principal = principal
        return principal

    def _require_operator(self) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        if not self._operator_token or not hmac.compare_digest(given, self._operator_token):
            self._charge_address()
            raise Problem(
                "authentication_error",
                "This route needs the operator token.",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _charge_address(self) -> None:
        g.decision = self._ip_limits.charge(client_address())
        _require_admission(g.decision)

    def admit(self, turns: Sequence[TurnCharge] = ()) -> Decision:
        """Charge the organization's bucket and, for `turns`, its quota, in one atomic call.

        Raises the 429 if the bucket refuses. A refusal by quota is in the decision's items, for
        the recording service to weigh: the turn may be stored already.
        """
        g.decision = self._gate.admit(current_principal(), turns)
        _require_admission(g.decision)
        return current_decision()

    def _show(self, response: Response) -> Response:
        decision: Decision | None = g.get("decision")
        if decision is not None:
            response.headers.update(rate_headers(decision))
            if "principal" in g and _shows_quota(response, decision):
                quota = decision.quota or self._find_quota(current_principal())
                response.headers.update(quota_headers(quota) if quota else {})
        return response

    def _find_quota(self, principal: Principal) -> QuotaState | None:
        try:
            return self._gate.quota(principal)
        except self._unanswered:
            return None  # the answer stands; only these headers are left out


def current_principal() -> Principal:
    """Whose key this request carries; only behind a door that asks for one."""
    principal: Principal = g.principal
    return principal


def current_decision() -> Decision:
    """What admission said of this request."""
    decision: Decision = g.decision
    return decision


def parse_then_admit(parse: Callable[[], T]) -> T:
    """Run `parse`; if the request is malformed it still pays the bucket before it is told so.

    That keeps floods of bad requests limited and the headers of their answers true.
    """
    try:
        return parse()
    except Problem:
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


def quota_problem(decision: Decision, component: str) -> Problem:
    """The 429 for a spent quota; `component` is `turns` or `active_relationships`."""
    quota = decision.quota
    if quota is None:
        raise AssertionError("a quota refusal always carries the quota")
    of_turns = component == "turns"
    used = quota.turns_used + quota.turns_reserved if of_turns else quota.relationships_used
    limit = quota.turns_limit if of_turns else quota.relationships_limit
    resets_at = format_ms(-(-quota.period_end_us // 1000))
    return Problem(
        "quota_exhausted",
        f"The quota of {limit} {component.replace('_', ' ')} is spent until {resets_at}. "
        "Upgrade the plan or wait.",
        details={"component": component, "used": used, "limit": limit, "resets_at": resets_at},
        retry_after_s=retry_after_s(
            max(decision.retry_after_us, quota.period_end_us - decision.now_us)
        ),
    )


def _objection(principal: Principal, scope: Scope) -> Problem | None:
    if principal.is_suspended:
        return Problem("payment_required", "The organization is suspended; ask its operator.")
    if not principal.scope.includes(scope):
        return Problem(
            "permission_denied",
            f"This needs a key with the scope {scope.value}.",
            details={"required_scope": scope.value},
        )
    return None


def _require_admission(decision: Decision) -> None:
    if decision.outcome is Outcome.RATE_LIMITED:
        raise rate_problem(decision)


def rate_problem(decision: Decision) -> Problem:
    """The 429 for an empty bucket."""
    # The bucket's own wait: a quota that is spent as well has no say in this answer.
    wait_us = decision.bucket.retry_after_us
    wait_s = retry_after_s(wait_us)
    return Problem(
        "rate_limit_exceeded",
        f"Rate limit exceeded. Retry after {wait_s} second{'s' if wait_s > 1 else ''}.",
        details={
            "limit": int(decision.bucket.rate) or float(decision.bucket.rate),
            "retry_after_ms": -(-wait_us // 1000),
        },
        retry_after_s=wait_s,
    )


def _shows_quota(response: Response, decision: Decision) -> bool:
    return response.status_code in (403, 429) or bool(decision.items)
