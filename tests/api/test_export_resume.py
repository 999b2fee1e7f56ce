"""Resuming an export that was cut: its token, and the last turn that arrived."""

import hashlib
import json

import pytest

from tests.api.conftest import NewCaller
from tests.api.exporting import field_error_of, ids_of, read, record, token_of
from tests.callers import Caller, Clock, error_of
from tests.exports import CSV, NDJSON, TOKEN, export
from tests.turns import HOUR_MS, at, now_ms

FORMS = [NDJSON, CSV]


@pytest.fixture
def caller(tenant: NewCaller) -> Caller:
    return tenant(requests_per_second=1_000, burst=2_000)


@pytest.fixture(autouse=True)
def short_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read few turns at a time, so that an export has several batches."""
    monkeypatch.setattr("app.interactions.export.BATCH_COUNT", 3)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("received_count", range(1, 8))
def test_an_export_is_resumed_after_the_last_turn_that_arrived(
    caller: Caller, form: str, received_count: int
) -> None:
    ids = record(caller, 7)
    token = token_of(export(caller, form))
    caller.record(at(now_ms() - 2 * HOUR_MS))  # later than the start: not in the set

    after = {"after": ids[received_count - 1], "headers": {TOKEN: token}}
    resumed = export(caller, form, **after)

    assert TOKEN in resumed.headers
    assert ids_of(resumed) == ids[received_count:]
    assert ids_of(export(caller, form, headers={TOKEN: token})) == ids


def test_lines_of_a_cut_and_a_resumed_answer_are_those_of_a_whole_one(caller: Caller) -> None:
    record(caller, 7)
    *whole_lines, trailer = read(export(caller)).splitlines(keepends=True)
    token = token_of(export(caller))
    received = whole_lines[:4]
    last_id = json.loads(received[-1])["interaction_id"]

    rest = read(export(caller, after=last_id, headers={TOKEN: token}))

    *lines, own_trailer = rest.splitlines(keepends=True)
    assert received + lines == whole_lines
    assert json.loads(own_trailer)["trailer"] == {
        "count": 3,
        "sha256": hashlib.sha256(b"".join(lines)).hexdigest(),
        "last_interaction_id": json.loads(trailer)["trailer"]["last_interaction_id"],
    }


def test_a_token_lives_24_hours(caller: Caller, clock: Clock) -> None:
    ids = record(caller, 2)
    headers = {TOKEN: token_of(export(caller))}

    clock.move(s=24 * 3_600)
    assert ids_of(export(caller, after=ids[0], headers=headers)) == ids[1:]
    clock.move(us=1)
    refused = export(caller, after=ids[0], headers=headers)

    assert field_error_of(refused) == (400, "validation_error", TOKEN, "invalid")
    assert "older than 24 hours" in error_of(refused)["message"]
    assert "Start a new export" in error_of(refused)["message"]


@pytest.mark.parametrize("text", ["", "x", "a.b", "ä", "x" * 600, "a\tb"])
def test_a_damaged_token_is_refused(caller: Caller, text: str) -> None:
    refused = export(caller, headers={TOKEN: text.encode().decode("latin-1")})

    assert field_error_of(refused) == (400, "validation_error", TOKEN, "invalid")


def test_a_token_of_other_filters_another_account_or_a_cursor_is_refused(
    caller: Caller, tenant: NewCaller
) -> None:
    record(caller, 3)
    token = token_of(export(caller, user_id="u_1"))
    cursor = caller.page(limit=1)["next_cursor"]

    assert token_of(export(caller, user_id="u_1", headers={TOKEN: token}))
    for refused in (
        export(caller, headers={TOKEN: token}),
        export(caller, user_id="u_2", headers={TOKEN: token}),
        export(tenant(), user_id="u_1", headers={TOKEN: token}),
        export(caller, headers={TOKEN: cursor}),
    ):
        assert field_error_of(refused) == (400, "validation_error", TOKEN, "invalid")
    assert error_of(caller.list_(cursor=token, user_id="u_1"))["code"] == "invalid_cursor"


def test_after_needs_a_token(caller: Caller) -> None:
    refused = export(caller, after=record(caller, 1)[0])

    assert field_error_of(refused) == (400, "validation_error", TOKEN, "required")
