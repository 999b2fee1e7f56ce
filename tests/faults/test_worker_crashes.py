"""Processes that die or hang, on both servers: one is replaced, or all end."""

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.faults.kit.load import Load
from tests.faults.kit.starts import answers, begun_service, begun_start
from tests.faults.kit.workers import (
    REPLACED_WITHIN_S,
    folder_of,
    has_replaced,
    is_running,
    kill_worker,
    make_silent,
    reload_workers,
    worker_ids,
    workers_by_age,
)
from tests.servers import RunningService, ServerKind, wait_until

ENDED_WITHIN_S = 20
# More than can be sent: each sender sends again at once.
PER_SECOND = 5_000
LONG_RELOADS_COUNT = 5


def test_workers_whose_parent_is_killed_end_and_free_the_port(
    kind: ServerKind, tmp_path: Path
) -> None:
    with begun_service(kind, tmp_path / "killed.log", 1) as (service, process):
        workers = worker_ids(service)
        process.kill()
        wait_until(lambda: not any(map(is_running, workers)), ENDED_WITHIN_S)
    port = service.base_url.rpartition(":")[2]
    with begun_start(kind, tmp_path / "next.log", lambda: answers(service.base_url), PORT=port):
        pass


def test_a_worker_that_is_silent_is_replaced(kind: ServerKind, tmp_path: Path) -> None:
    with begun_service(kind, tmp_path / "service.log") as (service, _):
        wait_until(lambda: all_give_signs(service))
        workers, victim = worker_ids(service), workers_by_age(service)[0]
        make_silent(service, victim)
        wait_until(lambda: has_replaced(service, workers, {victim}), REPLACED_WITHIN_S)
        assert answers(service.base_url)


def all_give_signs(service: RunningService) -> bool:
    if service.kind is ServerKind.GUNICORN:
        return True
    signs = {sign.name for sign in folder_of(service).glob("alive_*")}
    return {f"alive_{worker}" for worker in worker_ids(service)} <= signs


def test_a_worker_that_dies_again_at_once_ends_the_service_for_its_supervisor(
    tmp_path: Path,
) -> None:
    """Run with Granian only, because gunicorn never stops replacing workers."""
    with begun_service(ServerKind.GRANIAN, tmp_path / "service.log") as (service, process):
        workers = worker_ids(service)
        folder = folder_of(service)
        victim = workers_by_age(service)[0]
        kill_worker(victim)
        wait_until(lambda: has_replaced(service, workers, {victim}), REPLACED_WITHIN_S)
        (replacement,) = worker_ids(service) - workers
        kill_worker(replacement)
        assert process.wait(ENDED_WITHIN_S) == 1
        assert not any(map(is_running, workers))
    assert "Worker crash loop detected, exiting" in service.log.read_text()
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_a_service_ends_in_time_while_a_worker_is_starting(
    kind: ServerKind, tmp_path: Path, number: signal.Signals
) -> None:
    with begun_service(kind, tmp_path / "service.log", 1) as (service, process):
        workers = worker_ids(service)
        os.kill(
            service.process_id if number is signal.SIGHUP else workers_by_age(service)[0], number
        )
        wait_until(lambda: worker_ids(service) - workers, REPLACED_WITHIN_S, every_s=0.001)
        process.terminate()
        assert process.wait(ENDED_WITHIN_S) == 0


def test_a_worker_survives_a_sigterm_of_its_own_and_is_replaced_soon_after_a_reload(
    tmp_path: Path,
) -> None:
    """Send SIGTERM to workers alone, as some supervisors do before they signal the parent.

    Then kill a worker soon after a reload, whose start Granian counts as one after a failure.
    Granian only; `test_drain.py` has the rest.
    """
    with begun_service(ServerKind.GRANIAN, tmp_path / "service.log") as (service, process):
        for worker in worker_ids(service):
            os.kill(worker, signal.SIGTERM)
        assert answers(service.base_url)
        reload_workers(service)
        assert answers(service.base_url)
        workers = worker_ids(service)
        victim = workers_by_age(service)[0]
        kill_worker(victim)
        wait_until(lambda: has_replaced(service, workers, {victim}), REPLACED_WITHIN_S)
        assert answers(service.base_url)
        assert process.poll() is None


@pytest.mark.parametrize(
    "reloads_count", [1, pytest.param(LONG_RELOADS_COUNT, marks=pytest.mark.long)]
)
def test_workers_reloaded_under_load_end_in_order(
    kind: ServerKind, tmp_path: Path, reloads_count: int
) -> None:
    with (
        begun_service(kind, tmp_path / "service.log") as (service, _),
        Load(lambda _: ask(service), PER_SECOND, threads_count=8) as load,
    ):
        for _ in range(reloads_count):
            load.last(0.5)
            reload_workers(service)
    text = service.log.read_text()
    assert "Traceback" not in text
    assert "exited with code" not in text


def ask(service: RunningService) -> None:
    """Send requests on one connection, as fast as possible."""
    address = urlsplit(service.base_url)
    with suppress(OSError):  # from a worker that is ending
        connection = socket.create_connection((address.hostname, address.port), timeout=30)
        with connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            connection.recv(65_536)
