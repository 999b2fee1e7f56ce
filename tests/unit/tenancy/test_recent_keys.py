"""The cache in front of the store: bounded, short-lived, safe between threads."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from app.tenancy.authentication import RecentKeys, StoredKey
from tests.unit.tenancy.conftest import Clock, House


class Shelf:
    """A store that counts how often each look-up id was read."""

    def __init__(self, stored: StoredKey | None) -> None:
        self.stored = stored
        self.reads = 0

    def read(self) -> StoredKey | None:
        self.reads += 1
        return self.stored


def a_key(house: House) -> StoredKey:
    key, token = house.key(house.tenant())
    return StoredKey(key, house.authenticator.authenticate(f"Bearer {token}"), is_use_due=False)


def test_a_key_is_read_once_in_its_time_and_then_again(house: House, clock: Clock) -> None:
    shelf = Shelf(a_key(house))
    recent = RecentKeys(2, 10, clock.monotonic)

    for seconds, reads in [(0, 1), (1.9, 1), (0.1, 2), (1, 2), (1, 3)]:
        clock.pass_(seconds=seconds)
        assert recent.get_or_read("a", shelf.read) == shelf.stored
        assert shelf.reads == reads


def test_the_age_counts_from_before_the_read(house: House, clock: Clock) -> None:
    shelf = Shelf(a_key(house))
    recent = RecentKeys(2, 10, clock.monotonic)

    def slow_read() -> StoredKey | None:
        clock.pass_(seconds=1.5)
        return shelf.stored

    recent.get_or_read("a", slow_read)
    clock.pass_(seconds=0.5)
    recent.get_or_read("a", shelf.read)

    assert shelf.reads == 1


def test_an_unknown_look_up_id_is_not_cached(clock: Clock) -> None:
    shelf = Shelf(None)
    recent = RecentKeys(2, 10, clock.monotonic)

    assert [recent.get_or_read("a", shelf.read) for _ in range(3)] == [None] * 3
    assert shelf.reads == 3


def test_the_least_recently_used_is_evicted_first(house: House, clock: Clock) -> None:
    shelf = Shelf(a_key(house))
    recent = RecentKeys(2, 2, clock.monotonic)
    for lookup in ("a", "b", "a", "c"):
        recent.get_or_read(lookup, shelf.read)
    before = shelf.reads

    recent.get_or_read("a", shelf.read)
    recent.get_or_read("c", shelf.read)
    assert shelf.reads == before
    recent.get_or_read("b", shelf.read)
    assert shelf.reads == before + 1


def test_threads_never_get_each_others_key(house: House, clock: Clock) -> None:
    stored = a_key(house)
    keys = {
        str(number): replace(stored, key=replace(stored.key, id=f"key_{number}"))
        for number in range(50)
    }
    recent = RecentKeys(2, 10, clock.monotonic)

    def ask(number: int) -> bool:
        lookup = str(number % 50)
        found = recent.get_or_read(lookup, lambda: keys[lookup])
        return found is keys[lookup]

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(5_000)))
