"""Do what the forms of the page of keys ask for, or say which field needs another value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from app.audit.model import Action, Author, EntryFilter
from app.audit.trail import AuditTrail
from app.console import session
from app.console.key_form_values import MOST_NAMED, CreationForm, MadeKey, Refused
from app.console.ledger_time import now
from app.console.problems import problems_in
from app.http.application import provided
from app.http.faults import AccountFault
from app.http.instants import datetime_of_us, parse_ms
from app.http.request_errors import InvalidFields
from app.tenancy.api_keys import ApiKeys
from app.tenancy.directory.service import Directory
from app.tenancy.errors import AmbiguousName, NotFound, TenancyError
from app.tenancy.key_rules import MAX_KEY_DAYS
from app.tenancy.key_search import KeySearch
from app.tenancy.leaks import MOST_KEYS, Leak, LeakSearch
from app.tenancy.model import ApiKey, Environment, FoundKey, Scope
from app.tenancy.rotation import KeyRotation
from app.tenancy.service import Organizations

OVERLAPS: Mapping[str, tuple[str, timedelta]] = {
    "0": ("at once", timedelta()),
    "1": ("in 1 hour", timedelta(hours=1)),
    "24": ("in 24 hours", timedelta(hours=24)),
    "168": ("in 7 days", timedelta(days=7)),
}
# The fields of the service's errors, by the id of the input.
_INPUTS = {"label": "label", "expires_in_days": "expires"}


@dataclass(frozen=True, slots=True)
class KeyForms:
    """The forms of the page, over the services of the application."""

    search: KeySearch
    leaks: LeakSearch
    keys: ApiKeys
    rotation: KeyRotation
    organizations: Organizations
    directory: Directory
    trail: AuditTrail

    @classmethod
    def provided(cls) -> "KeyForms":
        """Return the forms over the services of the current application."""
        return cls(
            search=provided(KeySearch),
            leaks=provided(LeakSearch),
            keys=provided(ApiKeys),
            rotation=provided(KeyRotation),
            organizations=provided(Organizations),
            directory=provided(Directory),
            trail=provided(AuditTrail),
        )

    def find_leaked(self, text: str) -> Leak:
        """Return the keys in a text, which is not kept; raises Refused if it has none of ours."""
        if not text.strip():
            raise Refused(400, {"leak": "Paste the text that contains the key."})
        leak = self.leaks.find_all(text)
        if leak.is_empty:
            raise Refused(
                404,
                {
                    "leak": "No key is in this text. Keys begin with uniq_live_ or uniq_test_, "
                    "and ids of keys with key_."
                },
            )
        if not (leak.certain or leak.possible_ids):
            hints = ", ".join(list(leak.unknown_hints)[:MOST_NAMED])
            raise Refused(404, {"leak": f"This server has no such key: {hints}"})
        return leak

    def revoke(self, key_ids: Sequence[str], reason: str) -> list[FoundKey]:
        """Revoke keys for a reason; return those that were not revoked before."""
        chosen = list(dict.fromkeys(key_ids))[:MOST_KEYS]
        problems = {} if chosen else {"chosen": "Choose at least one key."}
        if not reason.strip():
            problems["reason"] = "Write the reason; the audit trail keeps it."
        if problems:
            raise Refused(400, problems)
        by = author(reason)
        found = [self._find(key_id) for key_id in chosen]
        return [key for key in found if self._revoke(key, by)]

    def create(self, form: CreationForm) -> MadeKey:
        """Make a key; the same form sent again returns the same key."""
        problems, days = _creation_problems(form)
        if problems:
            raise Refused(400, problems)
        try:
            organization = self.organizations.get_(self.organizations.find_id(form.organization))
            key, plaintext = self.keys.issue(
                organization.id,
                Environment(form.environment),
                Scope(form.scope),
                expires_in_days=days,
                label=form.label or None,
                idempotency_key=form.form_id or None,
                by=author(form.reason, "creation-reason"),
            )
        except (InvalidFields, TenancyError, AccountFault) as error:
            raise _refused(error, "organization") from None
        return MadeKey(key, plaintext, organization.name)

    def rotate(self, key_id: str, overlap: str, *, opened_at: str, reason: str) -> MadeKey:
        """Replace a key, unless that was done since its form was opened."""
        if overlap not in OVERLAPS:
            raise Refused(400, {"overlap": "Choose when the old key ends."})
        by = author(reason, "rotation-reason")
        try:
            done = self.rotation.rotate(
                key_id,
                OVERLAPS[overlap][1],
                by=by,
                check=lambda: self._require_not_rotated_since(key_id, opened_at),
            )
        except (InvalidFields, TenancyError, AccountFault) as error:
            raise _refused(error, "overlap") from None
        name = self.directory.names_of([done.new]).get(done.new.organization_id)
        return MadeKey(done.new, done.plaintext, name, done.ends)

    def _find(self, key_id: str) -> FoundKey:
        try:
            return self.search.find(key_id)
        except TenancyError:
            raise Refused(404, {"chosen": f"There is no key {key_id[:40]} any more."}) from None

    def _revoke(self, key: FoundKey, by: Author) -> bool:
        """Revoke a key; return False if it was revoked before."""
        if isinstance(key, ApiKey) and key.revoked_at is not None:
            return False
        self.keys.revoke_found(key, by=by)
        return True

    def _require_not_rotated_since(self, key_id: str, opened_at: str) -> None:
        try:
            since = datetime_of_us(parse_ms(opened_at) * 1_000)
        except ValueError:
            raise Refused(400, {"overlap": "Open this form again from the list."}) from None
        earlier = self.trail.find_newest(
            EntryFilter(key_id=key_id, action=Action.KEY_ROTATED, since=since, has_failed=False)
        )
        if earlier is not None:
            raise Refused(
                409,
                {
                    "overlap": f"This key was rotated at {earlier.at:%H:%M:%S} UTC by "
                    f"{earlier.who}, after this form was opened. Nothing was changed now."
                },
            )


def author(reason: str, field_id: str = "reason") -> Author:
    """Return the operator of this session; raises Refused for a reason that cannot be kept."""
    try:
        return session.author(reason)
    except InvalidFields as error:
        raise Refused(400, {field_id: str(error)}) from None


def _creation_problems(form: CreationForm) -> tuple[dict[str, str], int | None]:
    """Return the problems of the inputs, and the days that the key lasts."""
    problems = {}
    if not form.organization:
        problems["organization"] = "Write the name or the id of an organization."
    if form.environment not in list(Environment):
        problems["environment"] = "Choose live or test."
    if form.scope not in list(Scope):
        problems["scope"] = "Choose read, read_write or admin."
    days = _days_until(form.expires)
    if form.expires and days is None:
        problems["expires"] = (
            f"Expires must be a day after today, such as 2027-01-31, within {MAX_KEY_DAYS:,} days."
        )
    return problems, days


def _days_until(text: str) -> int | None:
    """Return the number of days from today; None if `text` is no day that a key may end on."""
    try:
        days = (date.fromisoformat(text) - now().date()).days
    except ValueError:
        return None
    return days if 1 <= days <= MAX_KEY_DAYS else None


def _refused(error: Exception, otherwise: str) -> Refused:
    """Return an error of a service as the problem of its input, or of the input `otherwise`."""
    if isinstance(error, InvalidFields):
        found = problems_in(error).items()
        return Refused(400, {_INPUTS.get(field, otherwise): text for field, text in found})
    if isinstance(error, AccountFault):
        return Refused(409, {otherwise: error.reason})
    status = 404 if isinstance(error, NotFound) else 409
    return Refused(400 if isinstance(error, AmbiguousName) else status, {otherwise: str(error)})
