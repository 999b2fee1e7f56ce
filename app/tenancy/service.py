"""Create and change organizations: names, plans, own ceilings, suspension."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from ulid import ULID

from app.http.instants import cut_to_ms, utc_now
from app.http.request_errors import FieldError, field_error, require_valid
from app.tenancy.errors import OrganizationNotFound
from app.tenancy.model import FoundOrganization, Organization, Plan
from app.tenancy.plans import MAX_BURST, override_fault
from app.tenancy.records import organization_of, require_sound_organization
from app.tenancy.store import TenancyStore

MAX_NAME_LENGTH = 100

Overrides = Mapping[str, int | str]


class Organizations:
    """Organizations as operators manage them by commands; routes read the plan catalogue only."""

    def __init__(
        self,
        store: TenancyStore,
        plans: Mapping[str, Plan],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._plans = plans
        self._now = now

    @property
    def plans(self) -> Mapping[str, Plan]:
        """The plan catalogue, in the order of its file."""
        return self._plans

    def create(self, name: str, plan_id: str, signed_up_on: date | None = None) -> Organization:
        """Store a new organization; billing periods are anchored on `signed_up_on` (today).

        Raises InvalidFields for a bad name or an unknown plan.
        """
        require_valid([*_name_field_errors(name), *self._plan_field_errors(plan_id)])
        now = cut_to_ms(self._now())
        day = signed_up_on or now.date()
        document = {
            "_id": f"org_{ULID.from_datetime(now)}",
            "name": name,
            "plan": plan_id,
            "overrides": {},
            "is_suspended": False,
            "signed_up_on": day,
            "created_at": now,
        }
        # Before the change: an error must mean that nothing was changed.
        made = require_sound_organization(organization_of(document, self._plans))
        self._store.insert_organization(document | {"signed_up_on": day.isoformat()})
        return made

    def list_(self) -> list[FoundOrganization]:
        """Return every organization, oldest first; faulty ones too."""
        return [organization_of(found, self._plans) for found in self._store.list_organizations()]

    def get_any(self, organization_id: str) -> FoundOrganization:
        """Return one organization, faulty or not; OrganizationNotFound if there is none."""
        return self._known(organization_id, self._store.find_organization(organization_id))

    def get_(self, organization_id: str) -> Organization:
        """Return one organization; as `get_any`, and AccountFault if it is faulty."""
        return require_sound_organization(self.get_any(organization_id))

    def set_plan(
        self, organization_id: str, plan_id: str, overrides: Overrides | None = None
    ) -> FoundOrganization:
        """Set an organization's plan; `overrides` replace all of its own ceilings.

        Keys: requests_per_second, burst, turns, active_relationships (the last two also
        "unlimited"), uncharged_turns, overage_policy. A rate without a burst gets a burst of two
        seconds. Used quota stays used. Applies everywhere within 5 s.
        """
        own = dict(overrides or {})
        require_valid([*self._plan_field_errors(plan_id), *_override_field_errors(own)])
        if "requests_per_second" in own and "burst" not in own:
            own["burst"] = min(2 * int(own["requests_per_second"]), MAX_BURST)
        changes = {"plan": plan_id, "overrides": own}
        self._require_sound_after(organization_id, changes)
        return self._update(organization_id, changes)

    def suspend(self, organization_id: str) -> FoundOrganization:
        """Refuse every request of this organization with 402 until it is resumed."""
        return self._update(organization_id, {"is_suspended": True})

    def resume(self, organization_id: str) -> FoundOrganization:
        """End a suspension; harmless if there is none."""
        return self._update(organization_id, {"is_suspended": False})

    def _require_sound_after(self, organization_id: str, changes: Mapping[str, Any]) -> None:
        """Raise AccountFault before a change that does not fix all damaged fields."""
        found = self._store.find_organization(organization_id)
        if found is not None:
            require_sound_organization(organization_of({**found, **changes}, self._plans))

    def _update(self, organization_id: str, changes: Mapping[str, Any]) -> FoundOrganization:
        return self._known(
            organization_id, self._store.update_organization(organization_id, changes)
        )

    def _known(self, organization_id: str, found: Mapping[str, Any] | None) -> FoundOrganization:
        if found is None:
            raise OrganizationNotFound(organization_id)
        return organization_of(found, self._plans)

    def _plan_field_errors(self, plan_id: str) -> list[FieldError]:
        if plan_id in self._plans:
            return []
        known = list(self._plans)
        message = f"There is no plan '{plan_id}'; choose one of {', '.join(known)}."
        return [field_error("plan", "not_allowed", message, known)]


def _name_field_errors(name: str) -> list[FieldError]:
    if name.strip() and name.isprintable() and len(name) <= MAX_NAME_LENGTH:
        return []
    message = f"The name must be 1 to {MAX_NAME_LENGTH} printable characters."
    return [field_error("name", "invalid_name", message, {"max_length": MAX_NAME_LENGTH})]


def _override_field_errors(overrides: Overrides) -> list[FieldError]:
    return [
        field_error(field, "invalid_limit", f"{field} {fault}.")
        for field, value in overrides.items()
        if (fault := override_fault(field, value))
    ]
