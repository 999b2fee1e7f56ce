"""The database refuses entries that hold more than an entry may."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import WriteError

from app.audit.errors import AuditNotWritten
from app.audit.model import Action, Author, Change
from app.audit.store import AuditStore
from app.audit.trail import AuditTrail
from tests.schema import make_schema

Rows = Database[dict[str, Any]]
AT = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def database(live_database: Rows) -> Rows:
    make_schema(live_database)
    return live_database


@pytest.fixture
def trail(database: Rows) -> AuditTrail:
    return AuditTrail(AuditStore(database), timedelta(days=730), lambda: AT)


@pytest.fixture
def sound(database: Rows, trail: AuditTrail) -> dict[str, Any]:
    """Return a stored entry under another id."""
    with trail.entry(Change(Action.KEY_CREATED, "org_1", "key_1", {}, {"scope": "read"})):
        pass
    (found,) = database["audit"].find()
    return found | {"_id": "aud_01M8PRN0R3FMPS85GDZCDKW25T"}


def test_a_sound_entry_is_stored(database: Rows, sound: dict[str, Any]) -> None:
    database["audit"].insert_one(sound)

    assert database["audit"].count_documents({}) == 2


@pytest.mark.parametrize(
    "damage",
    [
        {"address": "192.0.2.1"},
        {"who": "ada"},
        {"who": "command:"},
        {"who": "command:" + "x" * 110},
        {"action": "key.read"},
        {"reason": ""},
        {"reason": "x" * 201},
        {"before": "text"},
        {"outcome": "perhaps"},
        {"at": "2026-11-23"},
        {"expires_at": None},
        {"_id": "1"},
    ],
)
def test_an_entry_with_anything_else_is_refused(
    database: Rows, sound: dict[str, Any], damage: dict[str, Any]
) -> None:
    with pytest.raises(WriteError):
        database["audit"].insert_one(sound | damage)


def test_a_change_whose_entry_the_database_refuses_is_not_made(trail: AuditTrail) -> None:
    made = []

    with (
        pytest.raises(AuditNotWritten),
        trail.entry(Change(Action.KEY_REVOKED, "org_1"), Author("nobody in particular")),
    ):
        made.append(1)

    assert made == []
