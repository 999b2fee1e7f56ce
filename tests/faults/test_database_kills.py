"""The database is killed while turns arrive, archivers roll up and expired turns are deleted.

Producers resend a turn until its outcome is known, so the number of accepted turns is exact.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Lock
from typing import Any

import pytest
from pymongo.database import Database

from app.backends.outages import OUTAGES
from devkit.bundled import running_mongod
from tests.callers import Caller, app_on, new_caller
from tests.contract.usage.ledger import Books
from tests.faults.kit.killed_archivers import Archivers, database_of, require_balance
from tests.faults.kit.load import Load
from tests.faults.kit.processes import RestartableServer, mortal
from tests.faults.kit.producers import KNOWN_WITHIN_S, RETRY_AFTER_S
from tests.servers import wait_until
from tests.turns import DAY_MS, Body, at, now_ms, row

# Days whose turns expire as soon as `expires_at` is set.
OLD_DAYS = (182, 183, 190)
IMPORTED_AT_ONCE = 10
# For each producer, if the stores are fast enough.
BATCHES_PER_SECOND = 100
RECOVERED_WITHIN_S = 60
TIMEOUT_MS = 500
Row = dict[str, Any]


class BatchProducer(Load):
    """Sends one batch of turns after another, each until its outcome is known."""

    def __init__(
        self,
        make: Callable[[], list[Body]],
        send: Callable[[list[Body]], bool],
        account: str,
        key_id: str | None = None,
    ) -> None:
        super().__init__(self._work, BATCHES_PER_SECOND, threads_count=1)
        self.accepted: list[Row] = []
        self.failed_tries_count = 0
        self.is_settled = Lock()
        self._make, self._send, self._account, self._key_id = make, send, account, key_id
        self._pause = Event()

    def _work(self, _: int) -> None:
        with self.is_settled:
            bodies, deadline = self._make(), time.monotonic() + KNOWN_WITHIN_S
            while not self._send(bodies):
                self.failed_tries_count += 1
                assert time.monotonic() < deadline, "the turns were not stored in time"
                self._pause.wait(RETRY_AFTER_S)
            rows = [row(self._account, body) for body in bodies]
            self.accepted += [each | {"key_id": self._key_id} for each in rows]


def recorded(caller: Caller, bodies: list[Body]) -> bool:
    """Record over the API; return True if the turn was acknowledged."""
    statuses = {caller.record(body).status_code for body in bodies}
    assert statuses <= {200, 201, 503}
    return 503 not in statuses


def imported(caller: Caller, bodies: list[Body]) -> bool:
    """Import turns; return True if they were acknowledged."""
    try:
        caller.import_(bodies)
    except OUTAGES:
        return False
    return True


def producers_of(caller: Caller) -> tuple[BatchProducer, BatchProducer]:
    """Return a producer of current turns, and an importer of turns that expire at once."""
    chance = random.Random(1)  # noqa: S311 - no secret

    def old() -> list[Body]:
        day_ms = now_ms() - chance.choice(OLD_DAYS) * DAY_MS
        return [at(day_ms, latency_ms=chance.randrange(9_999)) for _ in range(IMPORTED_AT_ONCE)]

    return (
        BatchProducer(
            lambda: [at(now_ms())],
            lambda turns: recorded(caller, turns),
            caller.account,
            caller("GET", "/v1/me").get_json()["key_id"],
        ),
        BatchProducer(old, lambda turns: imported(caller, turns), caller.account),
    )


@contextmanager
def paused(producers: Sequence[BatchProducer], books: Books) -> Iterator[None]:
    """Pause the producers within the block, once the outcome of all sent turns is known."""
    with ExitStack() as stack:
        for producer in producers:
            assert producer.is_settled.acquire(timeout=RECOVERED_WITHIN_S)
            stack.callback(producer.is_settled.release)
            producer.require_no_fault()
        books.rows = [row for producer in producers for row in producer.accepted]
        yield


def deleted_count(database: Database[Row]) -> int:
    """Return the number of expired turns that the database has deleted since its start."""
    count: int = database.command("serverStatus")["metrics"]["ttl"]["deletedDocuments"]
    return count


def kill(server: RestartableServer, producer: BatchProducer) -> None:
    """Kill the database, and restart it once `producer` has seen the outage.

    The deletion of expired turns stays disabled until `let_expire`.
    """
    before = producer.failed_tries_count
    server.kill()
    wait_until(lambda: producer.failed_tries_count > before, RECOVERED_WITHIN_S)
    server.restart("--setParameter", "ttlMonitorEnabled=false")


def let_expire(database: Database[Row]) -> None:
    """Enable the deletion of expired turns again.

    In production a turn is deleted after 180 days and retried within seconds. Here this keeps the
    retry before the deletion.
    """
    database.client.admin.command("setParameter", 1, ttlMonitorEnabled=True)


def is_balanced(books: Books) -> bool:
    """Return True if archived and open turns equal the accepted ones; two separate reads."""
    return books.reported() == books.expected()


def assert_nothing_is_lost_after(
    folder: Path, redis_url: str, kills_count: int
) -> dict[str, object]:
    """Kill the database so many times, an archiver after each; check that no turn is lost."""
    chance = random.Random(kills_count)  # noqa: S311 - no secret
    deleted, started_at = 0, time.monotonic()
    with ExitStack() as stack:
        bundled = stack.enter_context(running_mongod(folder, ttl_monitor_sleep_s=1))
        server = stack.enter_context(mortal(bundled))
        books = Books(stack.enter_context(database_of(bundled.url)))
        caller = new_caller(
            stack.enter_context(app_on(bundled.url, redis_url, mongodb_timeout_ms=TIMEOUT_MS))
        )
        books.account = caller.account
        archivers = Archivers(bundled.url, books)
        stack.callback(archivers.end)
        producers = [stack.enter_context(producer) for producer in producers_of(caller)]
        for _ in range(kills_count):
            deleted += wait_until(lambda: deleted_count(books.database), RECOVERED_WITHIN_S)
            archivers.kill_one(chance)
            kill(server, producers[0])
            with paused(producers, books):
                wait_until(lambda: is_balanced(books), RECOVERED_WITHIN_S)
                let_expire(books.database)
        archivers.end()
        with paused(producers, books):
            require_balance(books)
    return {
        "kills": kills_count,
        "accepted": len(books.rows),
        "tries_in_vain": sum(producer.failed_tries_count for producer in producers),
        "deleted_before_kills": deleted,
        "seconds": round(time.monotonic() - started_at, 1),
    }


def test_nothing_is_lost_when_the_database_is_killed_while_turns_arrive(
    tmp_path: Path, fresh_redis_url: str, report_figures: Callable[..., None]
) -> None:
    report_figures(**assert_nothing_is_lost_after(tmp_path, fresh_redis_url, kills_count=1))


@pytest.mark.long
def test_nothing_is_lost_when_the_database_is_killed_thirty_times(
    tmp_path: Path, fresh_redis_url: str, report_figures: Callable[..., None]
) -> None:
    report_figures(**assert_nothing_is_lost_after(tmp_path, fresh_redis_url, kills_count=20))
