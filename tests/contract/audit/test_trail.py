"""Entries are written before their change and say how it ended, on each kind of database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect
from structlog.testing import capture_logs

from app.audit.model import Action, Author, AuthorKind, Change, Entry, EntryFilter, Outcome
from app.audit.store import AuditStore
from app.audit.trail import AuditTrail
from tests.schema import make_schema

START = datetime(2026, 11, 23, 12, 0, 0, 123_456, tzinfo=UTC)
AT = START.replace(microsecond=123_000)
SUSPENSION = Change(
    Action.ORGANIZATION_SUSPENDED,
    "org_1",
    before={"is_suspended": False},
    after={"is_suspended": True},
)
BY = Author("command:ada", "unpaid")


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.wall = START

    def now(self) -> datetime:
        return self.wall


@pytest.fixture
def clock() -> Clock:
    """The clock of this test's entries."""
    return Clock()


@pytest.fixture
def store(mongo_database: Database[dict[str, Any]]) -> AuditStore:
    """An empty store with its index and validator."""
    make_schema(mongo_database)
    return AuditStore(mongo_database)


@pytest.fixture
def trail(store: AuditStore, clock: Clock) -> AuditTrail:
    """An empty trail."""
    return AuditTrail(store, timedelta(days=730), clock.now)


def make(trail: AuditTrail, change: Change = SUSPENSION) -> None:
    with trail.entry(change, BY):
        pass


def only(trail: AuditTrail) -> Entry:
    (entry,) = trail.list_()
    return entry


def test_an_entry_is_read_back_as_it_was(trail: AuditTrail) -> None:
    make(trail)

    entry = only(trail)
    assert entry == Entry(entry.id, AT, "command:ada", "unpaid", SUSPENSION, Outcome.DONE)
    assert entry.id.startswith("aud_")
    assert len(entry.id) == 30


def test_the_entry_is_there_before_the_change(trail: AuditTrail) -> None:
    with trail.entry(SUSPENSION, BY):
        assert only(trail).outcome is Outcome.INTENDED
    assert only(trail).outcome is Outcome.DONE


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError("refused"), Outcome.FAILED),
        (AutoReconnect("gone"), Outcome.INTENDED),
        (KeyboardInterrupt(), Outcome.INTENDED),
    ],
)
def test_a_change_that_fails_has_failed_unless_it_may_have_been_made(
    trail: AuditTrail, error: BaseException, outcome: Outcome
) -> None:
    with pytest.raises(type(error)), trail.entry(SUSPENSION, BY):
        raise error

    assert only(trail).outcome is outcome


def test_without_an_entry_no_change_is_made(
    trail: AuditTrail, store: AuditStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AutoReconnect("gone")

    monkeypatch.setattr(store, "append", fail)
    made = []

    with pytest.raises(AutoReconnect), trail.entry(SUSPENSION, BY):
        made.append(1)

    assert made == []


def test_an_outcome_that_cannot_be_set_is_no_error(
    trail: AuditTrail, store: AuditStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AutoReconnect("a secret")

    monkeypatch.setattr(store, "set_outcome", fail)
    with capture_logs() as logs:
        make(trail)

    assert only(trail).outcome is Outcome.INTENDED
    (line,) = logs
    assert (line["event"], line["entry"]) == ("audit_outcome_not_set", only(trail).id)
    assert "a secret" not in repr(line)


def test_an_outcome_is_set_once(trail: AuditTrail, store: AuditStore) -> None:
    make(trail)

    store.set_outcome(only(trail).id, Outcome.FAILED)

    assert only(trail).outcome is Outcome.DONE


@pytest.fixture
def many(trail: AuditTrail, clock: Clock) -> list[Entry]:
    """Four entries, one an hour, newest first."""
    for organization, action in (
        ("org_1", Action.ORGANIZATION_CREATED),
        ("org_2", Action.ORGANIZATION_CREATED),
        ("org_1", Action.KEY_CREATED),
        ("org_1", Action.KEY_REVOKED),
    ):
        make(trail, Change(action, organization))
        clock.wall += timedelta(hours=1)
    return trail.list_()


def test_lists_are_newest_first_and_filtered(trail: AuditTrail, many: list[Entry]) -> None:
    assert [entry.change.action for entry in many] == [
        Action.KEY_REVOKED,
        Action.KEY_CREATED,
        Action.ORGANIZATION_CREATED,
        Action.ORGANIZATION_CREATED,
    ]
    assert trail.list_(at_most=2) == many[:2]
    assert trail.list_("org_1") == [many[0], many[1], many[3]]
    assert trail.list_(action=Action.ORGANIZATION_CREATED) == many[2:]
    assert trail.list_("org_1", Action.ORGANIZATION_CREATED) == [many[3]]
    assert trail.list_("org_3") == []


@pytest.mark.parametrize(("hours", "count"), [(0, 4), (1, 3), (3, 1), (4, 0)])
def test_since_includes_its_instant(
    trail: AuditTrail, many: list[Entry], hours: int, count: int
) -> None:
    assert trail.list_(since=AT + timedelta(hours=hours)) == many[:count]


def test_pages_follow_each_other(trail: AuditTrail, many: list[Entry]) -> None:
    first = trail.page(EntryFilter(), None, 3)
    second = trail.page(EntryFilter(), first.entries[-1].id, 3)

    assert [*first.entries, *second.entries] == many
    assert [page.has_more for page in (first, second)] == [True, False]
    assert [page.total_count for page in (first, second)] == [4, 4]


def test_a_range_is_half_open_also_for_later_pages(trail: AuditTrail, many: list[Entry]) -> None:
    hour = timedelta(hours=1)
    chosen = EntryFilter(since=AT + hour, until=AT + 3 * hour)

    assert trail.page(chosen, None, 9).entries == many[1:3]
    assert trail.page(chosen, many[0].id, 9).entries == many[1:3]
    assert trail.page(chosen, many[1].id, 9).entries == many[2:3]


@pytest.mark.parametrize(
    ("kind", "name", "authors"),
    [
        (AuthorKind.CONSOLE, None, ["console:bob", "console:ada"]),
        (AuthorKind.CONSOLE, "ada", ["console:ada"]),
        (None, "ada", ["console:ada", "command:ada"]),
        (AuthorKind.KEY, None, ["key:key_1"]),
        (None, "a", []),
        (AuthorKind.COMMAND, "bob", []),
    ],
)
def test_entries_are_filtered_by_author(
    trail: AuditTrail, clock: Clock, kind: AuthorKind | None, name: str | None, authors: list[str]
) -> None:
    for who in ("command:ada", "console:ada", "console:bob", "key:key_1"):
        with trail.entry(SUSPENSION, Author(who)):
            clock.wall += timedelta(hours=1)

    page = trail.page(EntryFilter(author_kind=kind, author_name=name), None, 9)

    assert [entry.who for entry in page.entries] == authors
    assert page.total_count == len(authors)


def test_entries_are_filtered_by_key(trail: AuditTrail, clock: Clock) -> None:
    for key_id in ("key_1", "key_2"):
        make(trail, Change(Action.KEY_REVOKED, "org_1", key_id))
        clock.wall += timedelta(hours=1)

    found = trail.find_newest(EntryFilter(key_id="key_1"))
    assert found is not None
    assert found.change.key_id == "key_1"
    assert trail.find_newest(EntryFilter(key_id="key_3")) is None


def test_an_entry_expires_after_the_retention(
    trail: AuditTrail, mongo_database: Database[dict[str, Any]]
) -> None:
    make(trail)

    (stored,) = mongo_database["audit"].find()
    assert stored["expires_at"] == AT + timedelta(days=730)
    options = mongo_database["audit"].index_information()["retention"]
    assert (list(options["key"]), options["expireAfterSeconds"]) == ([("expires_at", 1)], 0)


def test_ids_of_damaged_documents_are_cut(trail: AuditTrail) -> None:
    make(trail, Change(Action.KEY_REVOKED, "x" * 1_000, ""))

    assert (only(trail).change.organization_id, only(trail).change.key_id) == ("x" * 100, "-")
