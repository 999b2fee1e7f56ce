"""A streamed answer is in flight until it is closed."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask import Flask, Response

from app.policies import POLICIES, READING, Door, Weight
from tests.api.in_flight import counts, freeze_limiter
from tests.callers import Caller, Clock, error_of, new_caller

ME = "/v1/me"


@pytest.fixture
def streaming(memory_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Routes with streamed answers; `/export` is a heavy one."""
    freeze_limiter(memory_app, monkeypatch)

    def broken() -> Iterator[str]:
        yield "first"
        raise RuntimeError("a bug")

    streams: dict[str, Callable[[], Iterator[str]]] = {
        "/listed": lambda: iter(["first, ", "last"]),
        "/export": lambda: iter(["first, ", "last"]),
        "/broken": broken,
    }
    for path, chunks in streams.items():
        memory_app.add_url_rule(path, path, lambda chunks=chunks: Response(chunks()))
        weight = Weight.HEAVY if path == "/export" else Weight.LIGHT
        monkeypatch.setitem(POLICIES, path, replace(READING, weight=weight))  # type: ignore[arg-type]


@pytest.mark.usefixtures("streaming")
@pytest.mark.parametrize(("path", "limit"), [("/listed", 4), ("/export", 2)])
def test_a_stream_is_in_flight_until_it_is_closed(
    memory_app: Flask, own: Caller, other: Caller, path: str, limit: int
) -> None:
    streams = [own("GET", path) for _ in range(limit)]
    other("GET", ME)
    assert counts(memory_app)[own.organization.id][0] == limit
    refused = own("GET", path)
    assert (refused.status_code, error_of(refused)["details"]["limit"]) == (429, limit)

    assert streams[0].data == b"first, last"
    streams[0].close()
    streams[0].close()

    streams.append(own("GET", path))
    assert streams[-1].status_code == 200
    for each in streams:
        each.close()
    assert counts(memory_app) == {}


@pytest.mark.usefixtures("streaming")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_stream_that_is_not_read_ends_when_it_is_closed(
    memory_app: Flask, own: Caller, method: str
) -> None:
    own(method, "/listed").close()

    assert counts(memory_app) == {}


@pytest.mark.usefixtures("streaming")
def test_a_stream_that_fails_ends_when_it_is_closed(memory_app: Flask, own: Caller) -> None:
    stream = own("GET", "/broken")
    with pytest.raises(RuntimeError):
        _ = stream.data

    stream.close()

    assert counts(memory_app) == {}


@pytest.mark.usefixtures("streaming")
def test_a_stream_that_an_error_replaces_ends_at_once(memory_app: Flask, own: Caller) -> None:
    memory_app.testing = False
    raised = iter([RuntimeError("a bug in a later hook")])

    def fail_once(response: Response) -> Response:
        for error in raised:
            raise error
        return response

    memory_app.after_request_funcs[None].insert(0, fail_once)  # hooks run from the last to this

    assert own("GET", "/listed").status_code == 500
    assert counts(memory_app) == {}


def test_a_refusal_that_replaces_a_stream_ends_at_once(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze_limiter(memory_app, monkeypatch)
    Clock(memory_app)
    caller = new_caller(memory_app, "free", burst=1, requests_per_second=1)
    memory_app.add_url_rule("/refused", "refused", lambda: Response(iter(["why"]), 400))
    monkeypatch.setitem(POLICIES, "refused", replace(READING, door=Door.RECORDING))  # type: ignore[arg-type]

    first, second = caller("GET", "/refused"), caller("GET", "/refused")

    assert (first.status_code, second.status_code) == (400, 429)
    assert counts(memory_app)[caller.organization.id][0] == 1
    first.close()
    assert counts(memory_app) == {}
