"""WSGI and ASGI: a request is a turn, which ends with its answer."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import pytest
from turnledger import AsyncLedger, Ledger, current_turn
from turnledger._core.identity import current_defaults
from turnledger.asgi import TurnMiddleware as AsgiMiddleware
from turnledger.testing import FakeLedger
from turnledger.wsgi import TurnMiddleware

WHO = {"user_id": "u_1", "relationship_id": "rel_1"}


class OwnError(Exception):
    pass


def streaming(_environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    turn = current_turn()
    assert turn is not None
    turn.first_token()
    for part in (b"a", b"b"):
        assert current_turn() is turn
        yield part


def whole(_environ: Any, start_response: Any) -> Iterable[bytes]:
    turn = current_turn()
    assert turn is not None
    turn.usage(input_tokens=1)
    start_response("200 OK", [])
    return [b"done"]


def failing(_environ: Any, _start_response: Any) -> Iterable[bytes]:
    turn = current_turn()
    assert turn is not None
    turn.started()
    raise OwnError


def ask(app: Callable[..., Any], ledger: Ledger, **options: Any) -> tuple[list[Any], Any]:
    statuses: list[Any] = []
    middleware = TurnMiddleware(app, ledger, turn_for=lambda environ: environ["who"], **options)
    body = middleware({"who": WHO}, lambda status, headers: statuses.append((status, headers)))
    return statuses, body


def end_of(one_turn: Any) -> tuple[str, str | None]:
    turn = one_turn()
    return turn["status"], turn.get("error_code")


@pytest.mark.parametrize("app", [whole, streaming])
def test_a_request_is_a_turn_that_ends_with_its_body(
    ledger: Ledger, fake: FakeLedger, one_turn: Any, app: Any
) -> None:
    _, body = ask(app, ledger)
    assert current_turn() is None
    assert b"".join(body) in {b"ab", b"done"}
    assert fake.turns == {}
    body.close()
    assert end_of(one_turn) == ("completed", None)


def test_a_client_that_leaves_pays_after_the_first_token(ledger: Ledger, one_turn: Any) -> None:
    _, body = ask(streaming, ledger)
    next(body)
    body.close()
    assert end_of(one_turn) == ("completed", "stream_closed")
    assert current_turn() is None


def test_an_exception_of_the_application_fails_the_turn_and_passes(
    ledger: Ledger, one_turn: Any
) -> None:
    with pytest.raises(OwnError):
        ask(failing, ledger)
    assert end_of(one_turn) == ("failed", "own_error")


def test_a_spent_quota_is_429_and_the_application_is_not_called(fake: FakeLedger) -> None:
    fake.turns_limit = 0
    with fake.ledger() as ledger:
        statuses, body = ask(lambda *_: pytest.fail("it was called"), ledger)
        assert statuses[0][0].startswith("429 ")
        assert b"".join(body) == b"The quota of turns is spent.\n"
        own, _ = ask(whole, ledger, refuse=lambda *_: [b"own"])
        assert own == []


def test_a_request_without_an_identity_is_no_turn(fake: FakeLedger, ledger: Ledger) -> None:
    def plain(_environ: Any, _start_response: Any) -> list[bytes]:
        assert current_turn() is None
        return [b"x"]

    middleware = TurnMiddleware(plain, ledger, turn_for=lambda _: None)
    assert middleware({}, lambda *_: None) == [b"x"]
    assert fake.requests == []


async def served(app: Any, ledger: AsyncLedger, sent: list[Any]) -> None:
    middleware = AsgiMiddleware(app, ledger, turn_for=lambda _: WHO)

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    await middleware({"type": "http"}, receive, send)


async def asgi_app(scope: Any, _receive: Any, send: Any) -> None:
    turn = current_turn()
    assert turn is scope["turnledger.turn"]
    turn.usage(input_tokens=1)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x"})


async def asgi_failing(_scope: Any, _receive: Any, _send: Any) -> None:
    turn = current_turn()
    assert turn is not None
    turn.started()
    raise OwnError


def asynchronous(fake: FakeLedger, **options: Any) -> AsyncLedger:
    return AsyncLedger(
        "http://ledger.test",
        "uniq_test_00000000",
        transport=fake.transport,
        personality_id="pers_a",
        outbox="memory",
        **options,
    )


@pytest.mark.parametrize(("app", "status"), [(asgi_app, "completed"), (asgi_failing, "failed")])
def test_an_asgi_request_is_a_turn(fake: FakeLedger, app: Any, status: str) -> None:
    async def run() -> None:
        async with asynchronous(fake) as ledger:
            if status == "failed":
                with pytest.raises(OwnError) as raised:
                    await served(app, ledger, [])
                assert raised.traceback[-1].name == "asgi_failing"
            else:
                await served(app, ledger, [])
            assert await ledger.flush(10)

    asyncio.run(run())
    assert [turn["status"] for turn in fake.turns.values()] == [status]


async def with_background_task(scope: Any, receive: Any, send: Any) -> None:
    await asgi_app(scope, receive, send)
    assert current_turn() is None
    assert current_defaults().user_id == "u_1"
    raise OwnError


async def left_by_its_reader(_scope: Any, _receive: Any, send: Any) -> None:
    turn = current_turn()
    assert turn is not None
    turn.first_token()
    await send({"type": "http.response.body", "body": b"x", "more_body": True})


async def left_before_the_model(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


@pytest.mark.parametrize(
    ("app", "ends"),
    [
        (with_background_task, [("completed", None)]),
        (left_by_its_reader, [("completed", "stream_closed")]),
        (left_before_the_model, []),
    ],
)
def test_an_asgi_turn_ends_with_the_last_part_or_with_its_reader(
    fake: FakeLedger, app: Any, ends: list[Any]
) -> None:
    async def run() -> None:
        async with asynchronous(fake) as ledger:
            with suppress(OwnError):
                await served(app, ledger, [])
            assert await ledger.flush(10)

    asyncio.run(run())
    assert [(turn["status"], turn.get("error_code")) for turn in fake.turns.values()] == ends
    assert fake.reservations == {}


def test_an_asgi_answer_that_cannot_be_sent_is_left_by_its_reader(fake: FakeLedger) -> None:
    async def send(_message: Any) -> None:
        raise OSError

    async def run() -> None:
        async with asynchronous(fake) as ledger:
            middleware = AsgiMiddleware(left_by_its_reader, ledger, turn_for=lambda _: WHO)
            with pytest.raises(OSError, match=r"^$"):
                await middleware({"type": "http"}, lambda: asyncio.sleep(0), send)
            assert await ledger.flush(10)

    asyncio.run(run())
    (turn,) = fake.turns.values()
    assert (turn["status"], turn["error_code"]) == ("completed", "stream_closed")


def test_an_asgi_request_without_quota_is_429(fake: FakeLedger) -> None:
    fake.turns_limit = 0

    async def run() -> list[Any]:
        sent: list[Any] = []
        async with asynchronous(fake) as ledger:
            await served(lambda *_: pytest.fail("it was called"), ledger, sent)
        return sent

    assert [message.get("status") for message in asyncio.run(run())] == [429, None]


def test_the_asynchronous_ledger_has_the_verbs_of_the_other(fake: FakeLedger) -> None:
    from turnledger import QuotaExhaustedError, Turn

    async def run() -> None:
        fake.turns_limit = 4
        async with asynchronous(fake) as ledger:
            turn = Turn(status="completed", latency_ms=1)
            assert (await ledger.record(turn)).state == "created"
            held = await ledger.reserve()
            assert (await ledger.complete(held, turn)).state == "created"
            await ledger.cancel(await ledger.reserve())
            results = [each.state async for each in ledger.record_many([turn])]
            assert results == ["duplicate"]
            async with ledger.turn(user_id="u_1", relationship_id="rel_1") as running:
                assert current_turn() is running
                await asyncio.sleep(0)
            assert current_turn() is None
            assert await ledger.flush(10)
            quota = (await ledger.limits()).quota
            assert quota
            assert quota.turns_remaining == 1
            assert (await ledger.me()).environment
            assert len([item async for item in ledger.interactions()]) == 3
            async with ledger.turn():
                pass
            with pytest.raises(QuotaExhaustedError):
                async with ledger.turn():
                    pytest.fail("the block ran")

    asyncio.run(run())


def test_a_task_that_is_cancelled_while_it_reserves_gives_the_reservation_back(
    fake: FakeLedger,
) -> None:
    async def run() -> None:
        async with asynchronous(fake) as ledger:

            async def enter() -> None:
                async with ledger.turn():
                    pytest.fail("the block ran")

            task = asyncio.create_task(enter())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            for _ in range(200):
                if ("DELETE" in dict(fake.requests)) and not fake.reservations:
                    break
                await asyncio.sleep(0.02)

    asyncio.run(run())
    assert (fake.turns, fake.reservations) == ({}, {})


def test_two_event_loops_share_one_ledger(fake: FakeLedger) -> None:
    from turnledger import Turn

    ledger = asynchronous(fake)
    for number in range(2):
        turn = Turn(status="completed", latency_ms=number)
        assert asyncio.run(ledger.record(turn)).state == "created"
    asyncio.run(ledger.close())
