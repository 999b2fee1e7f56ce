"""Differences between two sides are found and shown; equal sides have none."""

import json
from collections.abc import Sequence

import pytest

from scripts.lib.conversation.compare import differences, texts_changed
from scripts.lib.conversation.exchange import Answer, Exchange, exchange_of
from scripts.lib.conversation.names import Names, instant_of
from scripts.lib.conversation.side import Recorded

SENT_MS = 1_800_000_000_000
PROBLEM = {"error": {"code": "not_found", "message": "No such turn."}}


def _answer(body: object, *headers: tuple[str, str], status: str = "HTTP/1.1 200 OK") -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, headers, raw, SENT_MS)


def _names() -> Names:
    names = Names(SENT_MS)
    names.begin("001", SENT_MS)
    return names


def _exchange(answer: Answer) -> Exchange:
    return exchange_of("001 GET /", answer, _names())


def _found(one: Answer, other: Answer) -> list[str]:
    return list(differences(_recorded(one), _recorded(other)))


def _recorded(*answers: Answer, stored: Sequence[str] = ()) -> Recorded:
    return Recorded([_exchange(each) for each in answers], {"redis": list(stored)})


def test_equal_sides_do_not_differ() -> None:
    assert _found(_answer({"a": 1}), _answer({"a": 1})) == []


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (_answer({"a": 2}), "  body .a: 1 → 2"),
        (_answer({"a": 1.0}), "  body .a: 1 → 1.0"),
        (_answer({"b": 1}), "  body .a: 1 → ∅"),
        (_answer(b'{"a":1}'), '  body: the same values in other bytes: {"a": 1} → {"a":1}'),
        (_answer(b"text"), '  body -{"a": 1}'),
        (
            _answer({"a": 1}, status="HTTP/1.1 201 CREATED"),
            "  status: HTTP/1.1 200 OK → HTTP/1.1 201 CREATED",
        ),
        (_answer({"a": 1}, ("X-A", "1")), "  header +X-A: 1"),
    ],
)
def test_each_difference_of_an_answer_is_shown(other: Answer, line: str) -> None:
    found = _found(_answer({"a": 1}), other)
    assert found[0] == "=== 001 GET /"
    assert line in found


def test_one_byte_of_a_header_or_its_position_is_a_difference() -> None:
    one = _answer({}, ("X-A", "1"), ("X-B", "2"))
    assert _found(one, _answer({}, ("x-a", "1"), ("X-B", "2"))) != []
    assert _found(one, _answer({}, ("X-B", "2"), ("X-A", "1"))) != []


def test_stored_data_is_compared() -> None:
    found = list(differences(_recorded(stored=["a = 1"]), _recorded(stored=["a = 2"])))
    assert found == ["=== redis", "-a = 1", "+a = 2"]


def test_a_side_that_stops_early_differs() -> None:
    answer = _answer({})
    found = list(differences(_recorded(answer, answer), _recorded(answer)))
    assert found == ["only one side goes on with: 001 GET /"]


def test_texts_for_people_are_listed_once() -> None:
    new = {"error": PROBLEM["error"] | {"message": "This turn does not exist."}}
    sides = [_recorded(_answer(body), _answer(body)) for body in (PROBLEM, new)]
    assert texts_changed(*sides) == [("No such turn.", "This turn does not exist.")]


def test_a_date_and_a_right_length_are_not_compared_and_a_wrong_length_is() -> None:
    one = _answer(b"abc", ("Date", "today"), ("Content-Length", "3"))
    assert _exchange(one).headers == ("Date: <date>", "Content-Length: <length of the body>")
    assert _exchange(_answer(b"abc", ("Content-Length", "4"))).headers == ("Content-Length: 4",)


def test_values_of_metrics_are_not_compared_and_their_names_are() -> None:
    kind = ("Content-Type", "text/plain; version=1")
    text = b'# TYPE a counter\na{b="c"} 17.0\na_created 1.8e9'
    assert (
        _exchange(_answer(text, kind)).body
        == '# TYPE a counter\na{b="c"} <value>\na_created <value>'
    )


def test_a_wait_is_compared_by_the_instant_at_which_it_ends() -> None:
    ends_at = instant_of(SENT_MS + 40 * 86_400_000)
    details = {"resets_at": ends_at, "retry_after_ms": 40 * 86_400_000 - 321}
    answer = _exchange(_answer(details, ("Retry-After", str(40 * 86_400))))
    assert answer.headers == (f"Retry-After: <seconds until {ends_at}>",)
    assert f"<<seconds until {ends_at}> in milliseconds>" in answer.body


def test_a_short_wait_is_compared_as_it_is() -> None:
    answer = _exchange(_answer({"retry_after_ms": 987}, ("Retry-After", "1")))
    assert answer.headers == ("Retry-After: 1",)
    wrong = _exchange(_answer({"retry_after_ms": 1_987}, ("Retry-After", "1")))
    assert (answer.body, wrong.body) == (
        '{"retry_after_ms": <1 in milliseconds>}',
        '{"retry_after_ms": 1987}',
    )


@pytest.mark.parametrize(("length", "shown"), [(2, "<length of the body>"), (3, "2")])
def test_the_length_of_a_head_is_compared_with_the_body_that_it_describes(
    length: int, shown: str
) -> None:
    answer = _answer(b"", ("Content-Length", "2"))
    found = exchange_of("002 HEAD /readyz", answer, _names(), length)
    assert found.headers == (f"Content-Length: {shown}",)
