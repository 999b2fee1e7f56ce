"""Changes of one key at the same moment: one is made, the others leave nothing."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from app.audit.model import Action, Outcome
from app.audit.store import AuditStore
from app.audit.trail import AuditTrail
from app.backends.backend import Backend
from app.http.instants import format_datetime
from app.tenancy.api_keys import ApiKeys
from app.tenancy.errors import KeyChangedMeanwhile
from app.tenancy.key_search import KeySearch
from app.tenancy.model import ApiKey, Environment, KeyState, Scope
from app.tenancy.rotation import KeyRotation, Rotation
from app.tenancy.store import TenancyStore
from tests.servers import PEPPER

ORGANIZATION = "org_1"
DAY = timedelta(days=1)
COUNT = 5


class Meeting:
    """Rotations that have all read the key before the first of them goes on."""

    def __init__(self, backend: Backend) -> None:
        self.store = TenancyStore(backend.database)
        self.trail = AuditTrail(AuditStore(backend.database), DAY)
        self.keys = ApiKeys(self.store, [PEPPER], self.trail)
        search = KeySearch(self.store, [PEPPER])
        self._rotation = KeyRotation(self.store, search, self.keys, self.trail)

    def rotate(self, key_id: str, overlap: timedelta) -> Sequence[Rotation | None]:
        """Rotate a key `COUNT` times at once; return None for each that is refused."""
        met = Barrier(COUNT, timeout=30)

        def meet() -> None:
            met.wait()

        def rotate(_: int) -> Rotation | None:
            try:
                return self._rotation.rotate(key_id, overlap, check=meet)
            except KeyChangedMeanwhile:
                return None

        with ThreadPoolExecutor(COUNT) as threads:
            return list(threads.map(rotate, range(COUNT)))


@pytest.mark.parametrize("days", [None, 1])
def test_one_of_several_rotations_at_once_is_made(backend: Backend, days: int | None) -> None:
    meeting = Meeting(backend)
    key, _ = meeting.keys.issue(
        ORGANIZATION, Environment.LIVE, Scope.READ, label="ci", expires_in_days=days
    )

    made = [each for each in meeting.rotate(key.id, 7 * DAY) if each]

    assert len(made) == 1
    assert meeting.store.find_key(key.id) == made[0].ends
    active = meeting.store.find_keys(
        ORGANIZATION, [Environment.LIVE], KeyState.ACTIVE, key.created_at, before_id=None, at_most=9
    )
    assert {each.id for each in active} == {key.id, made[0].new.id}
    outcomes = [entry.outcome for entry in meeting.trail.list_(action=Action.KEY_ROTATED)]
    assert sorted(outcomes) == [Outcome.DONE] + [Outcome.FAILED] * (COUNT - 1)


def test_of_several_revocations_at_once_one_entry_is_of_the_change(backend: Backend) -> None:
    meeting = Meeting(backend)
    key, _ = meeting.keys.issue(ORGANIZATION, Environment.LIVE, Scope.READ)
    with ThreadPoolExecutor(COUNT) as threads:
        revoked = list(threads.map(meeting.keys.revoke_found, [key] * COUNT))

    stored = meeting.store.find_key(key.id)
    assert revoked == [stored] * COUNT
    assert isinstance(stored, ApiKey)
    assert stored.revoked_at is not None
    entries = meeting.trail.list_(action=Action.KEY_REVOKED)
    (made,) = [entry for entry in entries if entry.outcome is Outcome.DONE]
    assert made.change.after == {"revoked_at": format_datetime(stored.revoked_at)}
    assert {entry.outcome for entry in entries if entry != made} == {Outcome.FAILED}
