"""Tags, `If-None-Match` and 304 of the answers that clients may keep."""

from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.backends.backend import Backend
from app.http.application import provided
from tests.api.caching import AGGREGATES, MAY_KEEP, TAGGED, USAGE, CachingClient
from tests.api.conftest import NewCaller
from tests.callers import LIST, Caller, Clock, new_caller
from tests.turns import HOUR_MS, at, body, now_ms, stateful

VARY = "Authorization, Accept, Accept-Encoding"
WINDOW_S = 300


def ask(caller: Caller, path: str, tag: str | None = None, **options: Any) -> TestResponse:
    headers = {} if tag is None else {"If-None-Match": tag}
    return caller(options.pop("method", "GET"), path, headers=headers, **options)


def tag_of(caller: Caller, path: str) -> str:
    answer = ask(caller, path)
    assert answer.status_code == 200, answer.text
    return answer.headers["ETag"]


@pytest.fixture
def reader(tenant: NewCaller) -> Caller:
    """An organization with three turns."""
    caller = tenant("pro")
    for _ in range(3):
        assert caller.record(stateful()).status_code == 201
    return caller


def item_path(caller: Caller) -> str:
    return f"{LIST}/{caller.page()['data'][0]['interaction_id']}"


@pytest.mark.parametrize("path", [*TAGGED, "item"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_client_with_the_tag_gets_a_304_that_is_like_the_200(
    reader: Caller, path: str, method: str
) -> None:
    path = item_path(reader) if path == "item" else path
    whole = ask(reader, path, method=method)
    tag = whole.headers["ETag"]
    assert tag.startswith('W/"')
    assert whole.headers["Cache-Control"] == MAY_KEEP

    answer = ask(reader, path, tag, method=method)

    assert (answer.status_code, answer.data) == (304, b"")
    of_a_body = {"Content-Type", "Content-Length"}
    assert set(answer.headers.keys()) == set(whole.headers.keys()) - of_a_body
    assert answer.headers["Vary"] == whole.headers["Vary"] == VARY
    for name in ("ETag", "Cache-Control", "X-RateLimit-Limit"):
        assert answer.headers[name] == whole.headers[name]
    assert answer.headers["X-Request-Id"] != whole.headers["X-Request-Id"]


def test_a_304_shows_the_quota_where_the_200_does(reader: Caller) -> None:
    whole = ask(reader, USAGE)
    answer = ask(reader, USAGE, whole.headers["ETag"])
    assert answer.status_code == 304
    assert answer.headers["X-Quota-Turns-Used"] == whole.headers["X-Quota-Turns-Used"] == "3"


@pytest.mark.parametrize("path", TAGGED)
def test_a_new_turn_changes_the_tag(reader: Caller, path: str) -> None:
    tag = tag_of(reader, path)
    assert reader.record(stateful("rel_new")).status_code == 201

    answer = ask(reader, path, tag)

    assert answer.status_code == 200
    assert answer.headers["ETag"] != tag
    assert answer.get_json() == ask(reader, path).get_json()


def test_a_304_is_charged_and_limited_as_the_200(memory_app: Flask) -> None:
    Clock(memory_app)
    caller = new_caller(memory_app, "free", burst=3, requests_per_second=1)
    tag = tag_of(caller, LIST)

    answers = [ask(caller, LIST, tag) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [304, 304, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert answers[-1].headers["Cache-Control"] == "no-store"
    assert "ETag" not in answers[-1].headers


@pytest.mark.parametrize("path", TAGGED)
def test_a_tag_opens_nothing_without_a_key(reader: Caller, path: str) -> None:
    client = reader.app.test_client()
    for known in (tag_of(reader, path), "*"):
        answer = client.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.headers["Cache-Control"]) == (401, "no-store")
        assert "ETag" not in answer.headers


def test_the_tag_of_a_page_covers_its_turns_and_whether_more_exist(memory_app: Flask) -> None:
    Clock(memory_app)
    caller = new_caller(memory_app)
    caller.record_batch([body(), body()])
    full = f"{LIST}?limit=2"
    last_page = ask(caller, full)
    assert last_page.get_json()["next_cursor"] is None
    # Older than both, so it is on the second page.
    assert caller.record(at(now_ms() - HOUR_MS)).status_code == 201

    more = ask(caller, full, last_page.headers["ETag"])

    assert more.status_code == 200
    assert more.get_json()["data"] == last_page.get_json()["data"]
    assert more.get_json()["next_cursor"] is not None


def test_the_cursor_that_differs_each_time_is_not_in_the_tag(memory_app: Flask) -> None:
    clock = Clock(memory_app)
    clock.move(us=-clock.now_us % (WINDOW_S * 1_000_000))
    caller = new_caller(memory_app)
    caller.record_batch([body() for _ in range(5)])
    first = ask(caller, f"{LIST}?limit=2")
    clock.move(s=1)
    again = ask(caller, f"{LIST}?limit=2")
    assert first.get_json()["next_cursor"] != again.get_json()["next_cursor"]
    assert first.headers["ETag"] == again.headers["ETag"]


def test_a_page_is_not_confirmed_once_its_cursor_is_old(memory_app: Flask) -> None:
    """Let no later page lack a turn that was recorded long ago, among older ones."""
    clock = Clock(memory_app)
    clock.move(us=-clock.now_us % (WINDOW_S * 1_000_000))
    caller = new_caller(memory_app)
    caller.record_batch([body() for _ in range(5)])
    tag = tag_of(caller, f"{LIST}?limit=2")
    whole = tag_of(caller, LIST)

    clock.move(s=WINDOW_S - 1)
    assert ask(caller, f"{LIST}?limit=2", tag).status_code == 304
    clock.move(s=1)
    assert ask(caller, f"{LIST}?limit=2", tag).status_code == 200
    # A page without a cursor has no next page.
    assert ask(caller, LIST, whole).status_code == 304


def test_an_edited_row_changes_the_tag(own: Caller) -> None:
    """Cover rows that an operator corrects in the database."""
    own.record_batch([body() for _ in range(3)])
    tags = {path: tag_of(own, path) for path in (LIST, item_path(own))}
    with own.app.app_context():
        rows = provided(Backend).database["interactions"]
    rows.update_many({"account": own.account}, {"$set": {"latency_ms": 1}})
    for path, tag in tags.items():
        assert own("GET", path).status_code == 200
        assert tag_of(own, path) != tag, path


def test_later_pages_are_never_kept(reader: Caller) -> None:
    cursor = reader.page(limit=1)["next_cursor"]
    for known in (None, "*"):
        answer = ask(reader, f"{LIST}?limit=1&cursor={cursor}", known)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert "ETag" not in answer.headers


@pytest.mark.parametrize(
    ("known", "status"),
    [
        ("{tag}", 304),
        ("W/{tag}", 304),
        ('"other", W/{tag} , "more"', 304),
        ('W/"other",{tag}', 304),
        ("*", 304),
        (" * ", 304),
        ('"other"', 200),
        ('"*"', 200),
        ("{bare}", 200),
        ('"{bare}', 200),
        ('"x{bare}"', 200),
        ('"', 200),
        (",,,;;W/", 200),
        ("\x7f é", 200),
        ('"a' * 20_000, 200),
        ('"a",' * 20_000 + "{tag}", 304),
    ],
    ids=lambda value: str(value)[:24],
)
def test_any_header_is_compared_in_a_short_time(own: Caller, known: str, status: int) -> None:
    tag = tag_of(own, LIST).removeprefix("W/")
    header = known.replace("{tag}", tag).replace("{bare}", tag.strip('"'))
    assert ask(own, LIST, header).status_code == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_ignore_tags(own: Caller, method: str) -> None:
    path = "/v1/turns/int_x" if method != "POST" else LIST
    plain, known = (ask(own, path, tag, method=method, json=body()) for tag in (None, "*"))
    assert known.status_code == plain.status_code
    assert "ETag" not in known.headers


@pytest.mark.parametrize("path", [f"{LIST}?limit=0", f"{LIST}/int_x", f"{AGGREGATES}?from=x"])
def test_an_error_is_no_304(own: Caller, path: str) -> None:
    answer = ask(own, path, "*")
    assert answer.status_code in {400, 404}
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_same_content_of_two_organizations_is_confirmed_to_each_alone(
    own: Caller, other: Caller
) -> None:
    """Equal tags give nothing away: each is compared with the client's own answer."""
    tags = [tag_of(caller, AGGREGATES) for caller in (own, other)]
    assert tags[0] == tags[1]
    own.record(body())
    assert ask(own, AGGREGATES, tags[1]).status_code == 200
    assert ask(other, AGGREGATES, tags[0]).status_code == 304


def test_a_client_that_caches_always_has_the_current_answer(tenant: NewCaller) -> None:
    caller = tenant()
    client = CachingClient(caller)
    for number in range(4):
        turn = caller.record(stateful(f"rel_{number}")).get_json()
        paths = [*TAGGED, f"{LIST}/{turn['interaction_id']}"]
        for path in paths * 3:
            assert client.get(path) == ask(caller, path).data
    # Each turn changes the answer of each fixed path, and is new itself.
    assert client.statuses.count(200) == 4 * len(paths)
    assert client.statuses.count(304) == 4 * 2 * len(paths)


def test_a_turn_keeps_its_tag_on_every_worker(own: Caller) -> None:
    path = f"{LIST}/{own.record(body()).get_json()['interaction_id']}"
    assert tag_of(own, path) == tag_of(own, path)


def test_the_log_line_of_a_304_has_its_status(
    own: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    tag = tag_of(own, LIST)
    capsys.readouterr()
    ask(own, LIST, tag)
    assert '"status":304' in capsys.readouterr().out
