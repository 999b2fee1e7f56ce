"""Create and change organizations: names, plans, own ceilings, suspension."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime

from ulid import ULID

from app.audit.differences import differences
from app.audit.model import Action, Author, Change
from app.audit.trail import AuditTrail
from app.http.instants import cut_to_ms, datetime_of_us, utc_now
from app.http.request_errors import FieldError, field_error, require_valid
from app.tenancy.errors import (
    AmbiguousName,
    ChangedMeanwhile,
    OrganizationNotFound,
    UndecidedLimits,
)
from app.tenancy.model import FoundOrganization, Organization, Plan
from app.tenancy.own_limits import (
    MAX_UNTIL_MS,
    Document,
    OwnLimits,
    StoredLimits,
    stored_limits_at,
    with_burst,
)
from app.tenancy.plans import override_fault
from app.tenancy.records import organization_of, require_sound_organization
from app.tenancy.store import TenancyStore
from app.tenancy.versions import version_of

MAX_NAME_LENGTH = 100
_ID_PREFIX = "org_"


class Organizations:
    """Organizations as operators manage them by commands; routes read the plan catalogue only.

    Each change has an entry in the audit trail, by the author `by`.
    """

    def __init__(
        self,
        store: TenancyStore,
        plans: Mapping[str, Plan],
        trail: AuditTrail,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._plans = plans
        self._trail = trail
        self._now = now

    @property
    def plans(self) -> Mapping[str, Plan]:
        """The plan catalogue, in the order of its file."""
        return self._plans

    def create(
        self,
        name: str,
        plan_id: str,
        signed_up_on: date | None = None,
        *,
        by: Author | None = None,
    ) -> Organization:
        """Store a new organization; billing periods are anchored on `signed_up_on` (today).

        Raises InvalidFields for a bad name or an unknown plan.
        """
        require_valid([*_name_field_errors(name), *self._plan_field_errors(plan_id)])
        now = cut_to_ms(self._now())
        day = signed_up_on or now.date()
        document = {
            "_id": f"{_ID_PREFIX}{ULID.from_datetime(now)}",
            "name": name,
            "plan": plan_id,
            "overrides": {},
            "temporary_limits": {},
            "is_suspended": False,
            "signed_up_on": day,
            "created_at": now,
        }
        # Before the change: an error must mean that nothing was changed.
        made = require_sound_organization(self._read(document))
        shown = {"name": name, "plan": plan_id, "signed_up_on": day.isoformat()}
        before, after = differences({}, shown)
        change = Change(Action.ORGANIZATION_CREATED, made.id, before=before, after=after)
        with self._trail.entry(change, by):
            self._store.insert_organization(document | {"signed_up_on": day.isoformat()})
        return made

    def list_(self) -> list[FoundOrganization]:
        """Return every organization, oldest first; faulty ones too."""
        return [self._read(found) for found in self._store.list_organizations()]

    def find_id(self, id_or_name: str) -> str:
        """Return the id of the organization that is named by its id or its name.

        A text that looks like an id stays one, whether or not there is such an organization.
        Raises OrganizationNotFound for an unknown name, AmbiguousName for one of several.
        """
        if id_or_name.startswith(_ID_PREFIX):
            return id_or_name
        found = [str(each["_id"]) for each in self._store.find_organizations_named(id_or_name)]
        if len(found) > 1:
            raise AmbiguousName(id_or_name, found)
        if not found:
            raise OrganizationNotFound(id_or_name)
        return found[0]

    def repeated_names(self, names: Iterable[str]) -> set[str]:
        """Return those of `names` that several organizations have."""
        return {name for name, count in Counter(self._store.list_names(names)).items() if count > 1}

    def get_any(self, organization_id: str) -> FoundOrganization:
        """Return one organization, faulty or not; OrganizationNotFound if there is none."""
        return self._read(self._find(organization_id))

    def get_(self, organization_id: str) -> Organization:
        """Return one organization; as `get_any`, and AccountFault if it is faulty."""
        return require_sound_organization(self.get_any(organization_id))

    def set_plan(
        self,
        organization_id: str,
        plan_id: str,
        overrides: OwnLimits | None = None,
        *,
        keep_limits: bool | None = None,
        by: Author | None = None,
        version: str | None = None,
        is_trial: bool = False,
    ) -> FoundOrganization:
        """Set an organization's plan, and the own limits that `overrides` name.

        Keys: requests_per_second, burst, turns, active_relationships (the last two also
        "unlimited"), uncharged_turns, overage_policy. A rate without a burst gets a burst of two
        seconds. Used quota stays used. Applies everywhere within 5 s.

        Other own limits stay if `keep_limits` is True, and end if it is False. If it is None and
        there are some, raises UndecidedLimits. Damaged ones always end.

        `version` and `is_trial` as for `change_limits`.
        """
        named = dict(overrides or {})
        require_valid([*self._plan_field_errors(plan_id), *_override_field_errors(named)])
        found = self._find_version(organization_id, version)
        others = stored_limits_at(found, self._now()).without(named)
        if keep_limits is None and others.names():
            raise UndecidedLimits(organization_id, others.names())
        kept = others if keep_limits else StoredLimits()
        limits = kept.with_overrides(with_burst(named, kept))
        changes = {"plan": plan_id, **limits.fields()}
        # Before the change: it must fix all damaged fields.
        require_sound_organization(self._read({**found, **changes}))
        if is_trial:
            return self._read({**found, **changes})
        return self._update(Action.PLAN_CHANGED, found, changes, by)

    def change_limits(
        self,
        organization_id: str,
        limits: OwnLimits,
        until_ms: int | None = None,
        *,
        by: Author | None = None,
        version: str | None = None,
        is_trial: bool = False,
    ) -> tuple[Organization, Organization]:
        """Set only these own limits; return the organization before and after.

        The keys are those of `set_plan`. With `until_ms` they end at that instant, and the limits
        before them, or later permanent ones, are in force again.

        With `version` (`versions.version_of`) raises ChangedMeanwhile unless the organization still
        has it. With `is_trial` nothing is stored.
        """
        now = self._now()
        require_valid([*_override_field_errors(limits), *_until_field_errors(until_ms, now)])
        found = self._find_version(organization_id, version)
        before = require_sound_organization(self._read(found))
        own = stored_limits_at(found, now)
        changed = (
            own.with_overrides(limits) if until_ms is None else own.with_temporary(limits, until_ms)
        )
        # With the plan, the update is refused if another one has changed that meanwhile.
        changes = {"plan": before.plan, **changed.fields()}
        if is_trial:
            return before, require_sound_organization(self._read({**found, **changes}))
        after = self._update(Action.LIMITS_CHANGED, found, changes, by)
        return before, require_sound_organization(after)

    def suspend(self, organization_id: str, *, by: Author | None = None) -> FoundOrganization:
        """Refuse every request of this organization with 402 until it is resumed."""
        found, changes = self._find(organization_id), {"is_suspended": True}
        return self._update(Action.ORGANIZATION_SUSPENDED, found, changes, by)

    def resume(self, organization_id: str, *, by: Author | None = None) -> FoundOrganization:
        """End a suspension; harmless if there is none."""
        found, changes = self._find(organization_id), {"is_suspended": False}
        return self._update(Action.ORGANIZATION_RESUMED, found, changes, by)

    def _find(self, organization_id: str) -> Document:
        found = self._store.find_organization(organization_id)
        if found is None:
            raise OrganizationNotFound(organization_id)
        return found

    def _find_version(self, organization_id: str, version: str | None) -> Document:
        found = self._find(organization_id)
        if version is not None and version_of(self._read(found)) != version:
            raise ChangedMeanwhile(organization_id)
        return found

    def _update(
        self, action: Action, found: Document, changes: Document, by: Author | None
    ) -> FoundOrganization:
        """Store changes with their audit entry; without a difference nothing is stored.

        ChangedMeanwhile if one of these fields is no longer as `found`.
        """
        before, after = differences({"temporary_limits": {}, **found}, changes)
        if not after:
            return self._read(found)
        organization_id = str(found["_id"])
        with self._trail.entry(Change(action, organization_id, before=before, after=after), by):
            updated = self._store.update_organization(found, changes)
            if updated is None:
                raise ChangedMeanwhile(organization_id)
        return self._read(updated)

    def _read(self, document: Document) -> FoundOrganization:
        return organization_of(document, self._plans, self._now())

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


def _override_field_errors(overrides: OwnLimits) -> list[FieldError]:
    return [
        field_error(field, "invalid_limit", f"{field} {fault}.")
        for field, value in overrides.items()
        if (fault := override_fault(field, value))
    ]


def _until_field_errors(until_ms: int | None, now: datetime) -> list[FieldError]:
    if until_ms is None or (until_ms <= MAX_UNTIL_MS and datetime_of_us(until_ms * 1_000) > now):
        return []
    message = "The end of a temporary limit must be in the future, and before the year 10000."
    return [field_error("until", "out_of_range", message)]
