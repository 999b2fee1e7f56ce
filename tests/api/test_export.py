"""Exports: the turns of a listing as one stream, in NDJSON and CSV, with a trailer."""

import csv
import gzip
import hashlib
import json
from io import StringIO

import pytest

from app.interactions.columns import COLUMNS
from tests.api.conftest import NewCaller
from tests.api.exporting import field_error_of, ids_of, listed_ids, read, record
from tests.api.test_erased_rows import erase
from tests.callers import LIST, Caller, Clock, error_of
from tests.exports import CSV, NDJSON, TOKEN, export
from tests.turns import HOUR_MS, at, body, now_ms, stateful, whole

pytestmark = pytest.mark.slow  # seconds of work

FORMS = [NDJSON, CSV]


@pytest.fixture
def caller(tenant: NewCaller) -> Caller:
    return tenant(requests_per_second=1_000, burst=2_000)


@pytest.fixture(autouse=True)
def short_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read few turns at a time, so that an export has several batches."""
    monkeypatch.setattr("app.interactions.export.BATCH_COUNT", 3)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7])
def test_lines_of_ndjson_are_the_items_of_the_list_byte_for_byte(
    caller: Caller, count: int
) -> None:
    for number in range(count):
        caller.record(whole(turn_id=f"t-{number}") if number % 2 else body(turn_id=f"t-{number}"))
    page = caller.list_(limit=100).data

    answer = export(caller)

    assert answer.headers["Content-Type"] == NDJSON
    *lines, trailer = read(answer).splitlines(keepends=True)
    assert page == b'{"data":[%s],"next_cursor":null}' % b",".join(line[:-1] for line in lines)
    assert len(lines) == count
    assert trailer.endswith(b"\n")
    assert json.loads(trailer) == {
        "trailer": {
            "count": count,
            "sha256": hashlib.sha256(b"".join(lines)).hexdigest(),
            "last_interaction_id": json.loads(lines[-1])["interaction_id"] if lines else None,
        }
    }


def test_csv_has_a_header_flat_columns_and_a_trailer_of_the_same_width(caller: Caller) -> None:
    caller.record(body(turn_id="least"))
    guardrails = {"applied": ["tone_softened", "topic_declined"]}
    caller.record(whole(turn_id="most", guardrails=guardrails))

    answer = export(caller, CSV)

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    data = read(answer)
    lines = data.splitlines(keepends=True)
    assert all(line.endswith(b"\r\n") for line in lines)
    head, *rows, trailer = csv.reader(StringIO(data.decode(), newline=""), strict=True)
    assert head == COLUMNS
    newest, oldest = caller.list_all()
    most, least = (dict(zip(head, row, strict=True)) for row in rows)
    assert most["interaction_id"] == newest["interaction_id"]
    assert most["created_at"] == newest["created_at"]
    assert most["inferred_emotional_state.secondary"] == "trust"
    assert most["inferred_emotional_state.confidence"] == "0.82"
    assert most["memory.consulted"] == "true"
    assert most["usage.active_relationship_counted"] == "true"
    assert most["usage.input_tokens"] == "374"
    assert most["guardrails.applied"] == "tone_softened topic_declined"
    assert {name for name, cell in least.items() if cell} == {
        *("interaction_id", "created_at", "mode", "status", "personality_id", "latency_ms"),
        *("usage.turns_consumed", "usage.active_relationship_counted"),
    }
    digest = hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    assert trailer[:4] == ["trailer", "2", digest, oldest["interaction_id"]]
    assert trailer[4:] == [""] * (len(COLUMNS) - 4)


@pytest.mark.parametrize("sign", "=+-@")
def test_no_cell_of_csv_is_a_formula(caller: Caller, sign: str) -> None:
    user_id = f"{sign}1+1|/C"
    caller.record(
        stateful("rel_1", user_id, inferred_emotional_state={"primary": "joy", "valence": -0.5})
    )

    rows = list(csv.DictReader(StringIO(read(export(caller, CSV)).decode(), newline="")))

    assert rows[0]["user_id"] == f"'{user_id}"
    assert rows[0]["relationship_id"] == "rel_1"
    assert rows[0]["inferred_emotional_state.valence"] == "-0.5"
    assert ids_of(export(caller, CSV, user_id=user_id)) == listed_ids(caller)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "query",
    [
        {"user_id": "u_1"},
        {"relationship_id": "rel_0"},
        {"user_id": "u_0", "relationship_id": "rel_0"},
        {"status": "failed"},
        {"mode": "stateless"},
        {"mode": "stateful", "status": "completed", "user_id": "u_0"},
        {"llm_model": "gpt-4o"},
        {"turn_id": "t-5"},
        {"turn_id": "unknown"},
    ],
)
def test_filters_are_those_of_the_list(caller: Caller, form: str, query: dict[str, str]) -> None:
    for number in range(12):
        people = {"mode": "stateless"}
        if number % 4:
            people = {
                "mode": "stateful",
                "user_id": f"u_{number % 2}",
                "relationship_id": f"rel_{number % 3}",
            }
        caller.record(
            body(
                turn_id=f"t-{number}",
                status="failed" if number % 5 == 0 else "completed",
                usage={"llm_model": "gpt-4o" if number % 3 else "other"},
                **people,
            )
        )

    assert ids_of(export(caller, form, **query)) == listed_ids(caller, **query)


@pytest.mark.parametrize("form", FORMS)
def test_a_range_is_half_open(caller: Caller, form: str) -> None:
    ids = record(caller, 7)
    times = [item["created_at"] for item in caller.list_all()]

    assert ids_of(export(caller, form, from_=times[5], to=times[1])) == ids[2:6]


def test_an_export_has_the_180_days_of_the_list(caller: Caller, clock: Clock) -> None:
    day_s = 86_400
    caller.import_([at(clock.now_ms - days * day_s * 1_000) for days in (1, 178, 179, 181)])

    assert ids_of(export(caller)) == listed_ids(caller)
    assert len(ids_of(export(caller))) == 3
    clock.move(s=1.5 * day_s)
    assert len(ids_of(export(caller))) == 2


def test_turns_recorded_after_the_start_are_left_out(caller: Caller) -> None:
    ids = record(caller, 5)
    answer = export(caller)
    assert caller.record(at(now_ms() - 2 * HOUR_MS)).status_code == 201

    assert ids_of(answer) == ids
    assert len(ids_of(export(caller))) == 6


def test_erased_turns_are_left_out(caller: Caller) -> None:
    for number in range(8):
        caller.record(stateful(f"rel_{number % 2}"))
    erase(caller, relationship_id="rel_0")

    ids = ids_of(export(caller))

    assert len(ids) == 4
    assert ids == listed_ids(caller)


def test_an_export_has_one_account_only(tenant: NewCaller, caller: Caller) -> None:
    record(tenant(), 2)
    ids = record(caller, 2)

    assert ids_of(export(caller)) == ids


@pytest.mark.parametrize("query", [{"limit": "2"}, {"cursor": "abc"}])
def test_an_export_has_no_pages(caller: Caller, query: dict[str, str]) -> None:
    (name,) = query

    refused = export(caller, **query)

    assert field_error_of(refused) == (400, "validation_error", name, "not_allowed")
    assert "leave it out" in error_of(refused)["message"]


def test_a_page_takes_no_after(caller: Caller) -> None:
    refused = caller.list_(after=record(caller, 1)[0])

    assert field_error_of(refused) == (400, "validation_error", "after", "not_allowed")
    assert NDJSON in error_of(refused)["message"]


@pytest.mark.parametrize(
    ("query", "name"),
    [({"after": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, "after"), ({"foo": "1"}, "foo")],
)
def test_wrong_parameters_are_named(caller: Caller, query: dict[str, str], name: str) -> None:
    status, code, field, _ = field_error_of(export(caller, **query))

    assert (status, code, field) == (400, "validation_error", name)


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/html, */*;q=0.8"])
def test_other_clients_get_json_as_ever(caller: Caller, accept: str | None) -> None:
    record(caller, 2)
    headers = {"Accept": accept} if accept else {}

    answer = caller("GET", LIST, headers=headers)

    assert answer.headers["Content-Type"] == "application/json"
    assert TOKEN not in answer.headers
    assert list(answer.get_json()) == ["data", "next_cursor"]
    assert "Accept" in answer.vary


def test_every_page_varies_by_accept(caller: Caller) -> None:
    record(caller, 2)

    page = caller.list_(limit=1)

    assert "Accept" in page.vary
    assert "Accept" in caller.list_(limit=1, cursor=page.get_json()["next_cursor"]).vary


@pytest.mark.parametrize("form", FORMS)
def test_an_export_has_the_headers_of_a_list(caller: Caller, form: str) -> None:
    answer = export(caller, form)

    assert "Accept" in answer.vary
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-RateLimit-Limit"] == "1000"
    assert "X-Request-Id" in answer.headers
    assert "Content-Length" not in answer.headers
    answer.close()


@pytest.mark.parametrize("form", FORMS)
def test_an_export_is_compressed_where_that_is_asked(caller: Caller, form: str) -> None:
    record(caller, 7)
    plain = read(export(caller, form))

    packed = export(caller, form, headers={"Accept-Encoding": "gzip"})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(read(packed)) == plain


def test_head_has_the_headers_and_no_body(caller: Caller) -> None:
    record(caller, 1)

    answer = caller("HEAD", LIST, headers={"Accept": CSV})

    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.mimetype == CSV
    assert TOKEN in answer.headers
    # GET has none either, and a 0 would promise an empty export.
    assert "Content-Length" not in answer.headers
