"""The gauge of open breakers, with real workers: one series each, none for a dead one."""

import re
from collections.abc import Callable
from contextlib import suppress

import httpx
from redis.connection import parse_url

from tests import plain_http
from tests.faults.kit.processes import END_TIMEOUT_S
from tests.faults.kit.proxy import Fault, proxy_to
from tests.faults.kit.workers import kill_worker
from tests.servers import OPERATOR_TOKEN, RunningService, ServerKind, wait_until

# Asking costs both processes CPU.
LOOKED_EVERY_S = 0.1
OPERATOR = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
LINE = re.compile(r'turnledger_store_circuit_open\{pid="(\d+)",store="redis"\} ([01])\.0')


def given_up(service: RunningService) -> dict[int, int]:
    """Return by process id if that worker's breaker of Redis is open; also calls Redis."""
    assert plain_http.get(f"{service.base_url}/v1/billing/plans").status_code == 200
    text = plain_http.get(f"{service.base_url}/metrics", headers=OPERATOR).text
    return {int(worker_id): int(value) for worker_id, value in LINE.findall(text)}


def is_gone(service: RunningService, killed: int) -> bool:
    """Return True if a killed worker has no series; it may have taken a connection with it."""
    with suppress(httpx.TransportError):
        return killed not in given_up(service)
    return False


def test_an_open_breaker_is_reported_until_it_closes_or_its_worker_dies(
    start_service: Callable[..., RunningService], kind: ServerKind, fresh_redis_url: str
) -> None:
    address = parse_url(fresh_redis_url)
    with proxy_to(address["host"], address["port"]) as proxy:
        service = start_service(kind=kind, REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0")
        assert given_up(service) == {}

        proxy.set(Fault.REFUSE)
        assert wait_until(
            lambda: list(given_up(service).values()) == [1, 1], END_TIMEOUT_S, LOOKED_EVERY_S
        )
        killed, other = sorted(given_up(service))
        kill_worker(killed)
        assert wait_until(lambda: is_gone(service, killed), END_TIMEOUT_S, LOOKED_EVERY_S)

        proxy.set(Fault.NONE)
        assert wait_until(lambda: given_up(service).get(other) == 0, END_TIMEOUT_S, LOOKED_EVERY_S)
        assert wait_until(
            lambda: not any(given_up(service).values()), END_TIMEOUT_S, LOOKED_EVERY_S
        )
