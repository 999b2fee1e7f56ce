"""Name the next steps of an operator for a refused request, each with its page or command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from app.request_log.model import RefusedRequest

_ORGANIZATION = "/console/organizations/{organization}"
_DOCTOR = "flask doctor"


@dataclass(frozen=True, slots=True)
class Step:
    """A step: `{organization}` and `{key}` stand for ids, and a step without its id is left out."""

    text: str
    page: str | None = None
    command: str | None = None


_NEW_KEY = Step("Make another key", "/console/keys#create", "flask key create ORG --scope SCOPE")
_DETAILS = Step("Send the answer for the ticket: it names the wrong fields.")
_LOG_LINE = Step("Find the log line of this request: no field of it is known here.")
_STORES = Step("Check the stores and the settings.", None, _DOCTOR)
_STEPS: Mapping[str, Sequence[Step]] = {
    "authentication_error": (_NEW_KEY,),
    "invalid_token": (_NEW_KEY,),
    "token_expired": (_NEW_KEY,),
    "payment_required": (
        Step("End the suspension", _ORGANIZATION, "flask org resume {organization}"),
    ),
    "permission_denied": (
        Step("Look at the scope of the key", "/console/keys?q={key}"),
        _NEW_KEY,
    ),
    "rate_limit_exceeded": (
        Step(
            "Raise the rate",
            _ORGANIZATION,
            "flask org raise {organization} --requests-per-second N",
        ),
        Step("See how full the bucket is now.", None, "flask limits top"),
        Step("Nothing: the bucket fills by itself, and clients retry after Retry-After."),
    ),
    "quota_exhausted": (
        Step("Raise the turns", _ORGANIZATION, "flask org raise {organization} --turns N"),
        Step(
            "Count turns beyond the limit instead of refusing them",
            _ORGANIZATION,
            "flask org raise {organization} --overage allow",
        ),
        Step("Nothing: the quota resets with the next billing period."),
    ),
    "validation_error": (_DETAILS,),
    "service_unavailable": (_STORES,),
    "internal_error": (
        Step("Find the log line of this request: it has the error and where it happened."),
        _STORES,
    ),
}


def list_steps(request: RefusedRequest) -> Sequence[dict[str, str | None]]:
    """Return the steps with the ids of this request."""
    ids = {"organization": request.organization_id, "key": request.key_id}
    found = []
    for step in _steps_of(request):
        texts = (step.page or "", step.command or "")
        if all(ids[name] for name in ids if any(f"{{{name}}}" in text for text in texts)):
            found.append(
                {
                    "text": step.text,
                    "page": _filled(step.page, ids),
                    "command": _filled(step.command, ids),
                }
            )
    return found


def _steps_of(request: RefusedRequest) -> Sequence[Step]:
    steps = _STEPS.get(request.error_code or "", ())
    return (_LOG_LINE,) if steps == (_DETAILS,) and not request.fields else steps


def _filled(text: str | None, ids: Mapping[str, str | None]) -> str | None:
    if text is None:
        return None
    return text.format(**{name: quote(value or "") for name, value in ids.items()})
