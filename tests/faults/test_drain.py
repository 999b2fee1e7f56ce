"""SIGTERM on both servers: clients that obey `/readyz` or `Connection: close` lose nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest

from tests import plain_http
from tests.callers import LIST, Caller, new_caller
from tests.faults.kit.draining import (
    Ending,
    assert_it_ended,
    draining_service,
    end,
    readiness,
)
from tests.faults.kit.processes import frozen
from tests.faults.kit.site import Site
from tests.faults.kit.workers import reload_workers
from tests.servers import RunningService, ServerKind, wait_until
from tests.turns import body

LONG_ROUNDS_COUNT = 5
CLIENTS_COUNT = 6
# The interval of a balancer's checks.
LOOKED_AT_AFTER_S = 0.25
# How long requests are in flight at SIGTERM; less than the time-out of MongoDB.
IN_FLIGHT_S = 0.5


@dataclass
class Client:
    """Records turns one after the other, until a balancer would stop sending to this service."""

    service: RunningService
    caller: Caller
    is_drained: Event
    answers: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    closed_count: int = 0

    def run(self) -> None:
        with plain_http.Client(headers=self.caller.headers, timeout=30) as http:
            while not self.is_drained.is_set():
                try:
                    answer = http.post(self.service.base_url + LIST, json=body())
                except httpx.TransportError as failure:
                    self.failures.append(repr(failure))
                    return
                self.answers.append(answer.status_code)
                self.closed_count += answer.headers.get("connection") == "close"


@pytest.mark.parametrize("ending", list(Ending))
@pytest.mark.parametrize(
    "rounds_count", [1, pytest.param(LONG_ROUNDS_COUNT, marks=pytest.mark.long)]
)
def test_a_client_that_checks_readiness_loses_no_request(
    site: Site,
    kind: ServerKind,
    tmp_path: Path,
    rounds_count: int,
    ending: Ending,
    report_figures: Callable[..., None],
) -> None:
    exits_s = []
    # The parent passes its signal on to all workers; the other endings concern each by itself.
    workers_count = 2 if ending is Ending.PARENT or rounds_count > 1 else 1
    for round_ in range(rounds_count):
        log = tmp_path / f"{round_}.log"
        with draining_service(site, kind, log, workers_count) as service:
            if ending is Ending.AFTER_RELOAD:
                reload_workers(service)
            began_s = assert_nothing_is_lost(site, service, ending)
        exits_s.append(assert_it_ended(service, began_s))
    report_figures(exits_s=exits_s)


def assert_nothing_is_lost(site: Site, service: RunningService, ending: Ending) -> float:
    """End the service under load; return when that was."""
    caller, is_drained = new_caller(site.app), Event()
    clients = [Client(service, caller, is_drained) for _ in range(CLIENTS_COUNT)]
    threads = [Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(len(client.answers) >= 5 for client in clients))
    with frozen(site.mongod.process.pid):
        Event().wait(0.1)  # until every client has a request in flight
        before = [len(client.answers) for client in clients]
        began_s = end(service, ending)
        # A check before the service knows its signal would wait a second for the frozen MongoDB,
        # half of the drain.
        Event().wait(IN_FLIGHT_S)
        wait_until(lambda: readiness(service) == (503, "draining"))
    # Each answer closes its connection, and clients continue until the balancer's next check.
    wait_until(lambda: all(client.closed_count for client in clients))
    Event().wait(LOOKED_AT_AFTER_S)
    is_drained.set()
    for thread in threads:
        thread.join(30)
    assert_everything_was_answered(caller, clients, before)
    return began_s


def assert_everything_was_answered(
    caller: Caller, clients: Sequence[Client], before: Sequence[int]
) -> None:
    answers = [status for client in clients for status in client.answers]
    assert [client.failures for client in clients] == [[]] * CLIENTS_COUNT
    assert set(answers) == {201}
    assert all(len(client.answers) > count for client, count in zip(clients, before, strict=True))
    assert caller.rows_count() == len(answers)
