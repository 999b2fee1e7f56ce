"""The last use of a key: stored once a minute, off the request's way, and never in its way."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mongomock import Collection
from structlog.testing import capture_logs

from app.http.instants import cut_to_ms
from app.tenancy import key_uses
from app.tenancy.errors import KeyExpired, KeyRevoked, KeyUnknown
from app.tenancy.key_format import generate
from app.tenancy.key_uses import KeyUses
from app.tenancy.model import ApiKey, Environment
from tests.unit.tenancy.conftest import House

Work = Callable[[], None]
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def used_at(house: House, key_id: str) -> datetime | None:
    found = house.store.find_key(key_id)
    assert isinstance(found, ApiKey)
    return found.last_used_at


def test_a_key_that_was_never_used_says_so(house: House) -> None:
    key, _ = house.key(house.tenant())

    assert (key.last_used_at, used_at(house, key.id)) == (None, None)


def test_the_first_use_is_stored_with_its_instant(house: House) -> None:
    key, token = house.key(house.tenant())
    house.clock.pass_(days=3)

    house.authenticator.authenticate(f"Bearer {token}")

    assert used_at(house, key.id) == cut_to_ms(house.clock.wall)


def test_a_key_in_use_is_written_once_a_minute(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, token = house.key(house.tenant())
    began = house.clock.wall
    written: list[datetime] = []
    update = Collection.update_many

    def count(collection: Collection, chosen: Any, change: Any) -> Any:
        written.append(change["$set"]["last_used_at"])
        return update(collection, chosen, change)

    monkeypatch.setattr(Collection, "update_many", count)
    for _ in range(601):
        house.authenticator.authenticate(f"Bearer {token}")
        house.clock.pass_(seconds=0.5)

    assert written == [cut_to_ms(began) + timedelta(minutes=minute) for minute in range(6)]
    assert used_at(house, key.id) == written[-1]


def test_a_use_after_a_pause_is_stored_at_once(house: House) -> None:
    key, token = house.key(house.tenant())
    house.authenticator.authenticate(f"Bearer {token}")
    house.clock.pass_(hours=7)

    house.authenticator.authenticate(f"Bearer {token}")

    assert used_at(house, key.id) == cut_to_ms(house.clock.wall)


def test_refused_keys_are_not_used(house: House) -> None:
    tenant = house.tenant()
    revoked, revoked_token = house.key(tenant)
    house.keys.revoke_found(revoked)
    expired, expired_token = house.key(tenant, expires_in_days=1)
    house.clock.pass_(days=1)
    forged_key, _ = house.key(tenant)
    letters = iter(forged_key.lookup)
    forged = generate(Environment.LIVE, lambda _: next(letters, "x")).token

    for token, refusal in (
        (revoked_token, KeyRevoked),
        (expired_token, KeyExpired),
        (forged, KeyUnknown),
    ):
        with pytest.raises(refusal):
            house.authenticator.authenticate(f"Bearer {token}")

    assert [used_at(house, key.id) for key in (revoked, expired, forged_key)] == [None] * 3


def test_a_key_stays_used_after_its_end(house: House) -> None:
    key, token = house.key(house.tenant())
    house.authenticator.authenticate(f"Bearer {token}")

    house.keys.revoke_found(key)

    assert used_at(house, key.id) == cut_to_ms(house.clock.wall)


@pytest.mark.parametrize("damaged", ["yesterday", 5, None, {}])
def test_a_damaged_instant_keeps_nobody_out_and_is_replaced(house: House, damaged: Any) -> None:
    key, token = house.key(house.tenant())
    house.store._keys.update_one({"_id": key.id}, {"$set": {"last_used_at": damaged}})

    house.authenticator.authenticate(f"Bearer {token}")

    assert used_at(house, key.id) == cut_to_ms(house.clock.wall)


def test_an_instant_of_a_clock_that_was_ahead_is_replaced(house: House) -> None:
    key, token = house.key(house.tenant())
    ahead = house.clock.wall + timedelta(days=365)
    house.store.note_key_uses([key.id], ahead, timedelta(minutes=1))

    house.authenticator.authenticate(f"Bearer {token}")

    assert used_at(house, key.id) == cut_to_ms(house.clock.wall)


class Written:
    """Keep what is written; fails for `key_bad`."""

    def __init__(self) -> None:
        self.batches: list[tuple[list[str], datetime]] = []

    def __call__(self, key_ids: Sequence[str], at: datetime) -> None:
        if "key_bad" in key_ids:
            raise ConnectionError("a secret")
        self.batches.append((list(key_ids), at))


@pytest.fixture
def written() -> Written:
    return Written()


def test_uses_that_wait_for_a_write_are_one_batch_of_the_newest_instant(written: Written) -> None:
    started: list[Work] = []
    uses = KeyUses(written, started.append)

    uses.note("key_1", AT)
    uses.note("key_2", AT + timedelta(seconds=2))
    uses.note("key_1", AT + timedelta(seconds=1))
    (work,) = started
    work()
    uses.note("key_3", AT)

    assert written.batches == [(["key_1", "key_2"], AT + timedelta(seconds=2))]
    assert len(started) == 2


def test_a_use_that_comes_during_a_write_is_written_by_the_same_thread(written: Written) -> None:
    started: list[Work] = []

    def write(key_ids: Sequence[str], at: datetime) -> None:
        written(key_ids, at)
        if key_ids == ["key_1"]:
            uses.note("key_2", AT)

    uses = KeyUses(write, started.append)
    uses.note("key_1", AT)
    (work,) = started
    work()

    assert written.batches == [(["key_1"], AT), (["key_2"], AT)]
    assert len(started) == 1


def test_a_write_that_fails_is_logged_and_the_next_one_is_made(written: Written) -> None:
    uses = KeyUses(written, lambda work: work())
    with capture_logs() as logs:
        uses.note("key_bad", AT)
        uses.note("key_2", AT)

    assert written.batches == [(["key_2"], AT)]
    (line,) = logs
    assert (line["event"], line["keys"]) == ("key_uses_not_written", 1)
    assert "a secret" not in repr(line)


def test_a_thread_that_cannot_start_fails_no_request_and_is_tried_again(written: Written) -> None:
    starts: list[int] = []

    def start(work: Work) -> None:
        starts.append(1)
        if len(starts) == 1:
            raise RuntimeError("can't start new thread")
        work()

    uses = KeyUses(written, start)
    uses.note("key_1", AT)
    uses.note("key_2", AT)

    assert written.batches == [(["key_1", "key_2"], AT)]


def test_waiting_uses_are_bounded(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_uses, "MOST_WAITING", 2)
    started: list[Work] = []
    uses = KeyUses(written, started.append)

    for number in range(5):
        uses.note(f"key_{number}", AT)
    started[0]()

    assert written.batches == [(["key_0", "key_1"], AT)]
