"""What bodies may take: long ones share a bound, short ones never find it full."""

import asyncio
from io import BytesIO

import pytest

from app.http.body import LARGEST_BYTES
from app.http.request_errors import BodyMemoryExhausted, BodyTimeout, InvalidFields
from app.serving.bodies import HELD_BYTES, SMALL_BYTES, Bodies
from tests.unit.serving.fakes import Protocol

DEADLINE_S = 0.2
STALLED_COUNT = HELD_BYTES // LARGEST_BYTES


def length_of(count: int) -> dict[str, str]:
    return {"CONTENT_LENGTH": str(count)}


async def read(bodies: Bodies, size: int, *, is_late: bool = False) -> BytesIO:
    protocol = Protocol(parts=[b"x" * size], is_late=is_late)
    return (await bodies.read(length_of(size + is_late), protocol))[0]


def test_a_body_that_comes_at_once_takes_the_room_of_one_that_stalls() -> None:
    bodies = Bodies(DEADLINE_S)

    async def run() -> tuple[BytesIO, list[BytesIO]]:
        stalled = [
            asyncio.create_task(read(bodies, LARGEST_BYTES, is_late=True))
            for _ in range(STALLED_COUNT)
        ]
        await asyncio.sleep(0)  # each has sent all but its last byte
        return await read(bodies, LARGEST_BYTES), list(await asyncio.gather(*stalled))

    taken, stalled = asyncio.run(run())

    assert len(taken.read()) == LARGEST_BYTES
    with pytest.raises(BodyMemoryExhausted, match="too many long bodies"):
        stalled[0].read()
    for each in stalled[1:]:
        with pytest.raises(BodyTimeout, match="did not arrive in time"):
            each.read()


def test_a_body_that_expires_this_very_moment_is_not_the_one_to_give_up() -> None:
    bodies = Bodies(DEADLINE_S)

    async def run() -> tuple[BytesIO, list[BytesIO]]:
        stalled = [
            asyncio.create_task(read(bodies, LARGEST_BYTES, is_late=True))
            for _ in range(STALLED_COUNT)
        ]
        await asyncio.sleep(0)  # each has sent all but its last byte
        first = next(iter(bodies._arriving))
        first.timeout.reschedule(0)
        while not first.timeout.expired():
            await asyncio.sleep(0)
        assert first in bodies._arriving
        return await read(bodies, LARGEST_BYTES), list(await asyncio.gather(*stalled))

    taken, stalled = asyncio.run(run())

    assert len(taken.read()) == LARGEST_BYTES
    with pytest.raises(BodyTimeout, match="did not arrive in time"):
        stalled[0].read()
    with pytest.raises(BodyMemoryExhausted, match="too many long bodies"):
        stalled[1].read()


def test_each_refused_body_raises_an_error_of_its_own() -> None:
    bodies = Bodies(DEADLINE_S)
    errors = []
    for _ in range(2):
        refused = asyncio.run(read(bodies, 1, is_late=True))
        with pytest.raises(BodyTimeout) as caught:
            refused.read()
        errors.append(caught.value)
    assert errors[0] is not errors[1]


def test_a_short_body_is_taken_whatever_others_hold() -> None:
    bodies = Bodies(DEADLINE_S)

    async def run() -> BytesIO:
        held = [await read(bodies, LARGEST_BYTES) for _ in range(STALLED_COUNT)]
        assert len(held) == STALLED_COUNT
        return await read(bodies, SMALL_BYTES)

    assert asyncio.run(run()).read() == b"x" * SMALL_BYTES


@pytest.mark.parametrize(
    ("environ", "parts", "is_broken"),
    [
        (length_of(4), [b"abcd", b""], False),
        (length_of(5), [b"abcd", b""], True),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, [b"abcd", b""], False),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, [b"abcd", b"", b""], True),
        ({"HTTP_TRANSFER_ENCODING": "chunked", "HTTP_TRAILER": "a"}, [b"abcd", b"", b""], False),
    ],
)
def test_a_body_that_breaks_off_is_no_body(
    environ: dict[str, str], parts: list[bytes], is_broken: bool
) -> None:
    body, is_whole = asyncio.run(Bodies(DEADLINE_S).read(environ, Protocol(parts=parts)))
    assert is_whole is not is_broken
    if is_broken:
        with pytest.raises(InvalidFields, match="did not arrive whole"):
            body.read()
    else:
        assert body.read() == b"abcd"


def test_what_late_bodies_took_is_free_again() -> None:
    bodies = Bodies(DEADLINE_S)

    async def run() -> BytesIO:
        await asyncio.gather(
            *(read(bodies, LARGEST_BYTES, is_late=True) for _ in range(STALLED_COUNT))
        )
        return await read(bodies, LARGEST_BYTES)

    assert len(asyncio.run(run()).read()) == LARGEST_BYTES


def test_a_body_takes_room_until_its_request_has_been_answered() -> None:
    bodies = Bodies(DEADLINE_S)

    async def run() -> tuple[BytesIO, BytesIO]:
        held = [await read(bodies, LARGEST_BYTES) for _ in range(STALLED_COUNT)]
        refused = await read(bodies, LARGEST_BYTES)
        bodies.release(held[0])
        return refused, await read(bodies, LARGEST_BYTES)

    refused, taken = asyncio.run(run())

    with pytest.raises(BodyMemoryExhausted):
        refused.read()
    assert len(taken.read()) == LARGEST_BYTES
