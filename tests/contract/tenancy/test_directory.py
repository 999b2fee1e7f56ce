"""Keys of all organizations are listed, filtered and counted, on each kind of database."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.tenancy import key_format
from app.tenancy.directory.model import KeyQuery, KeySummary, KeyView
from app.tenancy.directory.service import Directory
from app.tenancy.directory.store import DirectoryStore
from app.tenancy.model import ApiKey, Environment, Scope
from app.tenancy.store import TenancyStore
from tests.servers import PEPPER

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ALL = KeyQuery()
AddKey = Callable[..., ApiKey]


@pytest.fixture
def add(store: TenancyStore) -> AddKey:
    """A function that stores a key of an organization; later keys have later ids."""

    def add_key(organization_id: str = "org_1", *, beginning: str = "", **fields: object) -> ApiKey:
        number = store._keys.count_documents({})
        characters = iter(beginning or f"{number:08}")
        parsed = key_format.generate(Environment.LIVE, lambda _: next(characters, "x"))
        key = ApiKey(
            id=f"key_{number:04}",
            organization_id=organization_id,
            environment=Environment.LIVE,
            scope=Scope.READ,
            lookup=parsed.lookup,
            digest=key_format.digest(parsed.token, PEPPER),
            hint=key_format.display(parsed.token),
            created_at=NOW - DAY,
        )
        key = replace(key, **fields)  # type: ignore[arg-type]
        store.insert_key(key, None)
        if key.last_used_at is not None:
            store.note_key_uses([key.id], key.last_used_at, DAY)
        return key

    return add_key


@pytest.fixture
def directory(store: TenancyStore) -> Directory:
    for number, name in ((1, "Alder Helpdesk"), (2, "Brook (Tutoring)"), (3, "Brook Labs")):
        store.insert_organization({"_id": f"org_{number}", "name": name})
    return Directory(DirectoryStore(store._keys.database), lambda: NOW)


def listed(directory: Directory, query: KeyQuery) -> list[str]:
    listing = directory.keys(query, None, 100)
    assert listing.total_count == len(listing.keys)
    return [key.id for key in listing.keys]


def test_keys_of_all_organizations_are_listed_by_page(directory: Directory, add: AddKey) -> None:
    made = [add(f"org_{1 + number % 3}") for number in range(5)]

    first = directory.keys(ALL, None, 2)
    second = directory.keys(ALL, first.keys[-1].id, 2)
    third = directory.keys(ALL, second.keys[-1].id, 2)

    assert [*first.keys, *second.keys, *third.keys] == made[::-1]
    assert [page.has_more for page in (first, second, third)] == [True, True, False]
    assert {page.total_count for page in (first, second, third)} == {5}
    assert first.names == {"org_1": "Alder Helpdesk", "org_2": "Brook (Tutoring)"}


def test_no_key_is_an_empty_listing(directory: Directory) -> None:
    assert listed(directory, ALL) == []
    assert directory.summary() == KeySummary(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("brook", [2, 1]),
        ("(tutor", [1]),
        ("org_1", [3, 0]),
        ("key_0002", [2]),
        ("NIGHT", [3]),
        ("uniq_live_Ab", [3, 2]),
        ("uniq_live_Ab12...", [2]),
        ("uniq_test_Ab", []),
        ("uniq_live_", [3, 2, 1, 0]),
        ("key_000", []),
        (".*", []),
    ],
)
def test_a_text_is_of_an_organization_a_label_an_id_or_a_beginning(
    directory: Directory, add: AddKey, text: str, numbers: list[int]
) -> None:
    add("org_1")
    add("org_2")
    add("org_3", beginning="Ab12")
    add("org_1", beginning="Ab34", label="nightly")

    assert listed(directory, KeyQuery(text=text)) == [f"key_{number:04}" for number in numbers]


VIEWS: list[tuple[dict[str, object], set[KeyView]]] = [
    ({}, {KeyView.ACTIVE}),
    ({"expires_at": NOW + 15 * DAY}, {KeyView.ACTIVE}),
    ({"expires_at": NOW + 14 * DAY}, {KeyView.ACTIVE, KeyView.EXPIRES_SOON}),
    ({"expires_at": NOW}, {KeyView.EXPIRED}),
    ({"revoked_at": NOW, "expires_at": NOW + DAY}, {KeyView.REVOKED}),
    ({"created_at": NOW - 90 * DAY}, {KeyView.ACTIVE, KeyView.UNUSED}),
    ({"created_at": NOW - 90 * DAY, "last_used_at": NOW}, {KeyView.ACTIVE}),
    ({"last_used_at": NOW - 91 * DAY}, {KeyView.ACTIVE, KeyView.UNUSED}),
    ({"created_at": NOW - 99 * DAY, "revoked_at": NOW}, {KeyView.REVOKED}),
]


@pytest.mark.parametrize(("fields", "views"), VIEWS)
def test_a_key_is_in_the_views_of_its_state(
    directory: Directory, add: AddKey, fields: dict[str, object], views: set[KeyView]
) -> None:
    add(**fields)

    assert {view for view in KeyView if listed(directory, KeyQuery(view=view))} == views


def test_filters_must_all_match(directory: Directory, add: AddKey) -> None:
    add("org_1", label="ci")
    add("org_1", label="ci", environment=Environment.TEST)
    add("org_1", label="ci", revoked_at=NOW)

    query = KeyQuery("ci", Environment.LIVE, KeyView.ACTIVE)
    assert listed(directory, query) == ["key_0000"]


def test_a_summary_counts_active_keys(directory: Directory, add: AddKey) -> None:
    for fields, _ in VIEWS:
        add(f"org_{1 + len(fields)}", **fields)

    assert directory.summary() == KeySummary(
        active_count=6, organizations_count=3, expire_soon_count=1, unused_count=2
    )


def test_organizations_are_searched_by_a_part_of_their_name(directory: Directory) -> None:
    found = directory.search_organizations("BROOK", 10)

    assert [(each.id, each.name) for each in found] == [
        ("org_2", "Brook (Tutoring)"),
        ("org_3", "Brook Labs"),
    ]
    assert directory.search_organizations("brook", 1) == found[:1]
    assert directory.search_organizations("o (t", 10) == []


def test_a_removed_or_damaged_organization_has_no_name(
    directory: Directory, store: TenancyStore
) -> None:
    store.insert_organization({"_id": "org_4", "name": 4})

    assert directory.names(["org_1", "org_4", "org_5"]) == {"org_1": "Alder Helpdesk"}
    assert directory.names([]) == {}
