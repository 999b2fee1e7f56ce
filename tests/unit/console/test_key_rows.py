"""A key's row has its state at the moment."""

from datetime import UTC, datetime, timedelta

import pytest

from app.console.key_rows import key_row, key_state, key_title
from app.tenancy.model import ApiKey, Environment, FaultyKey, Scope

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def key(**fields: datetime | str | None) -> ApiKey:
    values: dict[str, object] = {
        "id": "key_1",
        "organization_id": "org_1",
        "environment": Environment.LIVE,
        "scope": Scope.READ,
        "lookup": "Ab12cdef",
        "digest": "d",
        "hint": "uniq_live_Ab12...",
        "created_at": NOW,
    }
    return ApiKey(**{**values, **fields})  # type: ignore[arg-type]


FAULTY = FaultyKey("key_2", "org_1", "damaged: hint")


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (key(), "active"),
        (key(expires_at=NOW + 15 * DAY), "active"),
        (key(expires_at=NOW + 14 * DAY), "expires_soon"),
        (key(expires_at=NOW), "expired"),
        (key(expires_at=NOW - DAY, revoked_at=NOW), "revoked"),
        (FAULTY, "damaged"),
    ],
)
def test_a_key_has_one_state(found: ApiKey | FaultyKey, state: str) -> None:
    assert key_state(found, NOW) == state


def test_rows_have_the_same_fields_and_no_secret() -> None:
    rows = [key_row(each, {"org_1": "Acme"}, NOW) for each in (key(label="ci"), FAULTY)]

    assert rows[0].keys() == rows[1].keys()
    assert rows[0]["organization"] == {"id": "org_1", "name": "Acme"}
    assert rows[1]["reason"] == "damaged: hint"
    assert not {"digest", "lookup"} & rows[0].keys()


def test_a_title_is_label_and_hint_or_what_there_is() -> None:
    assert key_title(key(label="ci")) == "ci (uniq_live_Ab12...)"
    assert key_title(key()) == "uniq_live_Ab12..."
    assert key_title(FAULTY) == "key_2"
