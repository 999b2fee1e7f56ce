"""Show the checks of a refused request in their order, up to the one that refused it.

Only what follows from the error code for sure is shown. A failure of a store, or a request that was
refused before its key was read, shows no checks.
"""

from collections.abc import Mapping, Sequence

from app.request_log.model import RefusedRequest

Check = dict[str, str]
_OK, _REFUSED, _SKIPPED = "ok", "refused", "skipped"
_NOT_REACHED = "not reached"
# What a passed check means, in the order of the checks.
_PASSED: Mapping[str, str] = {
    "Key": "valid",
    "Organization": "active",
    "Scope": "enough for this route",
    "Rate": "admitted",
    "Quota": "admitted",
}
_OF_KEY: Mapping[str, tuple[str, str]] = {
    "payment_required": ("Organization", "refused: it is suspended"),
    "permission_denied": ("Scope", "refused: it does not include this route"),
    "rate_limit_exceeded": (
        "Rate",
        "refused: the bucket was empty, or too many requests or reservations were open",
    ),
    "quota_exhausted": ("Quota", "refused: the rest of the period's quota was used or held"),
}
_WITHOUT_KEY: Mapping[str, str] = {
    "authentication_error": "refused: none was sent, or it is revoked",
    "invalid_token": "refused: this server has no such key",
    "token_expired": "refused: it has expired",
}
# The route itself refuses these, after the checks of the key.
_BY_ROUTE = frozenset(
    {
        *("validation_error", "invalid_cursor", "not_found", "conflict", "payload_too_large"),
        *("unsupported_media_type", "request_timeout"),
    }
)


def list_checks(request: RefusedRequest) -> Sequence[Check]:
    """Return the checks with their outcome: ok, refused or skipped; empty if they are not known."""
    code = request.error_code or ""
    if request.organization_id is None:
        return _without_key(code)
    if code in _OF_KEY:
        return _up_to(*_OF_KEY[code])
    if code in _BY_ROUTE:
        passed = [_check(step, _OK, text) for step, text in list(_PASSED.items())[:3]]
        return [*passed, _check("Request", _REFUSED, "refused by the route: see the reason below")]
    return []


def _without_key(code: str) -> Sequence[Check]:
    if code in _WITHOUT_KEY:
        return _up_to("Key", _WITHOUT_KEY[code])
    if code == "rate_limit_exceeded":
        text = "refused: too many requests without a valid key from one address"
        skipped = [_check(step, _SKIPPED, _NOT_REACHED) for step in _PASSED]
        return [_check("Address", _REFUSED, text), *skipped]
    return []


def _up_to(refusing: str, text: str) -> Sequence[Check]:
    steps = list(_PASSED)
    at = steps.index(refusing)
    return [
        *(_check(step, _OK, _PASSED[step]) for step in steps[:at]),
        _check(refusing, _REFUSED, text),
        *(_check(step, _SKIPPED, _NOT_REACHED) for step in steps[at + 1 :]),
    ]


def _check(step: str, state: str, text: str) -> Check:
    return {"step": step, "state": state, "text": text}
