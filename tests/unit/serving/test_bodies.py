"""What bodies may take: long ones share a bound, short ones never find it full."""

import asyncio
from io import BytesIO

import pytest

from app.http.body import LARGEST_BYTES
from app.http.problems import Problem
from app.serving.bodies import HELD_BYTES, SMALL_BYTES, Bodies
from tests.unit.serving.fakes import Protocol

DEADLINE_S = 0.2
STALLED_COUNT = HELD_BYTES // LARGEST_BYTES


def length_of(count: int) -> dict[str, str]:
    return {"CONTENT_LENGTH": str(count)}


async def read(bodies: Bodies, size: int, *, is_late: bool = False) -> BytesIO:
    protocol = Protocol(parts=[b"x" * size], is_late=is_late)
    return (await bodies.read(length_of(size + is_late), protocol))[0]


def test_stalled_long_bodies_refuse_long_ones_and_no_short_one() -> None:
    bodies = Bodies(DEADLINE_S)

    async def run() -> tuple[BytesIO, BytesIO, list[BytesIO]]:
        stalled = [
            asyncio.create_task(read(bodies, LARGEST_BYTES, is_late=True))
            for _ in range(STALLED_COUNT)
        ]
        await asyncio.sleep(0)  # each has sent all but its last byte
        short, long = await read(bodies, SMALL_BYTES), await read(bodies, LARGEST_BYTES)
        return short, long, list(await asyncio.gather(*stalled))

    short, long, stalled = asyncio.run(run())

    assert short.read() == b"x" * SMALL_BYTES
    with pytest.raises(Problem, match="too many long bodies") as refused:
        long.read()
    assert (refused.value.code, refused.value.retry_after_s) == ("service_unavailable", 1)
    for each in stalled:
        with pytest.raises(Problem, match="did not arrive in time"):
            each.read()


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

    with pytest.raises(Problem):
        refused.read()
    assert len(taken.read()) == LARGEST_BYTES
