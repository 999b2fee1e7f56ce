"""Explain a refused request: the answer, its key, the reason, and the answer for a ticket."""

from dataclasses import dataclass

from app.http.problems import CODES
from app.reference.error_texts import read_error_text
from app.request_log.model import RefusedRequest
from app.request_log.service import RequestLog, UnknownRequest
from app.tenancy.model import ApiKey
from app.tenancy.store import TenancyStore


@dataclass(frozen=True, slots=True)
class Explanation:
    """A refused request with what is stored about its sender, and an answer for its ticket.

    `organization_name` and `key` are None if there is none, or if it is removed or damaged.
    """

    request: RefusedRequest
    organization_name: str | None
    key: ApiKey | None
    why: str | None
    ticket: str


class RequestExplainer:
    """Finds refused requests; changes nothing."""

    def __init__(self, log: RequestLog, tenancy: TenancyStore) -> None:
        self._log = log
        self._tenancy = tenancy

    def find(self, request_id: str) -> Explanation | UnknownRequest | None:
        """Explain a request; None if `request_id` has not the form of an id."""
        found = self._log.find(request_id)
        if found is None or isinstance(found, UnknownRequest):
            return found
        key = self._tenancy.find_key(found.key_id) if found.key_id else None
        kind = CODES.get(found.error_code or "")
        return Explanation(
            request=found,
            organization_name=self._organization_name(found.organization_id),
            key=key if isinstance(key, ApiKey) else None,
            why=kind.meaning if kind else None,
            ticket=ticket_answer(found),
        )

    def _organization_name(self, organization_id: str | None) -> str | None:
        found = self._tenancy.find_organization(organization_id) if organization_id else None
        name = found.get("name") if found else None
        return name if isinstance(name, str) else None


def ticket_answer(request: RefusedRequest) -> str:
    """Return sentences for the client: what was answered, why, and what to do."""
    at = request.at.strftime("%d %B %Y, %H:%M:%S UTC").lstrip("0")
    code = request.error_code
    named = f"{request.status} {code}" if code else f"{request.status}"
    sent = f"{request.method} {request.route}, {at}"
    parts = [f"Your request {request.id} ({sent}) was answered with {named}."]
    if code in CODES:
        text = read_error_text(code)
        parts += [text.lead.striptags(), f"Send it again? {text.retry.striptags()}"]
    if request.fields:
        parts.append(f"Wrong: {', '.join(request.fields)}.")
    if request.retry_after_s is not None:
        parts.append(f"Retry-After was {request.retry_after_s} s.")
    return " ".join(parts)
