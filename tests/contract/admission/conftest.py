"""One account on an empty Redis of each kind, its clock moved by hand."""

import pytest
from redis import Redis

from tests.unit.admission.world import Hand, World


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def world(redis_client: Redis, hand: Hand) -> World:
    return World(redis_client, hand)


@pytest.fixture
def live_world(live_redis: Redis, hand: Hand) -> World:
    return World(live_redis, hand)
