"""Exports over HTTP: cut by clients, killed workers and outages, and resumed."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from app.interactions.export import BATCH_COUNT
from tests.callers import LIST, Caller, error_of, http_client, new_caller
from tests.exports import NDJSON, Received, export_lines, fill, is_served, receive, slow_client
from tests.faults.kit.kinds import GUNICORN_IN_LONG_RUNS
from tests.faults.kit.processes import frozen
from tests.faults.kit.site import running_site
from tests.faults.kit.workers import kill_worker, worker_ids
from tests.servers import RunningService, ServerKind, wait_until
from tests.turns import whole

# Some 23 MB: more than the buffers between the service and its client hold.
TURNS_COUNT = 15_000
LONG_WORDS = [f"{number:040}" for number in range(10)]
LONG_TURN = whole(
    guardrails={"applied": LONG_WORDS},
    inferred_emotional_state={"primary": "joy", "confidence": 0.8, "secondary": LONG_WORDS},
)
FIRST_BYTES = 1 << 20
Serve = Callable[..., tuple[RunningService, Flask]]


def exporter(app: Flask, count: int = TURNS_COUNT) -> Caller:
    """Make an organization with so many turns."""
    caller = new_caller(app)
    with app.app_context():
        fill(provided(Backend).database, caller.account, count, LONG_TURN)
    return caller


def assert_is_whole(received: Received) -> None:
    assert received.trailer == received.as_trailer()
    assert received.lines_count == TURNS_COUNT


def outcomes(service: RunningService) -> list[str]:
    return [line["outcome"] for line in export_lines(service)]


@GUNICORN_IN_LONG_RUNS
def test_an_export_is_cut_by_its_client_and_by_a_killed_worker_and_resumed(
    serve: Serve, kind: ServerKind
) -> None:
    service, app = serve(workers_count=1, kind=kind)
    caller = exporter(app)
    with http_client(service, caller) as client:
        whole = receive(client)
    assert_is_whole(whole)
    wait_until(lambda: outcomes(service) == ["complete"])

    with slow_client(service, caller) as client:
        received = receive(client, most_bytes=FIRST_BYTES)
        assert 0 < received.lines_count < TURNS_COUNT
        wait_until(lambda: outcomes(service) == ["complete", "aborted"])

        (worker_id,) = worker_ids(service)
        cut_count = received.lines_count
        receive(client, received, most_bytes=FIRST_BYTES, then=lambda: kill_worker(worker_id))
        assert cut_count < received.lines_count < TURNS_COUNT
        assert not received.is_complete

        wait_until(lambda: is_served(client))
        rest = receive(client, received)

    assert rest.trailer is not None
    assert rest.as_trailer() == whole.as_trailer()
    assert rest.trailer["count"] < TURNS_COUNT


@GUNICORN_IN_LONG_RUNS
def test_an_outage_of_mongodb_breaks_an_export_off_and_it_is_resumed(
    kind: ServerKind, tmp_path: Path
) -> None:
    with running_site(tmp_path, kind=kind, workers_count=1) as site:
        caller = exporter(site.app)
        with slow_client(site.service, caller) as client, ExitStack() as stack:
            received = receive(
                client,
                most_bytes=FIRST_BYTES,
                then=lambda: stack.enter_context(frozen(site.mongod.process.pid)),
            )
        assert BATCH_COUNT <= received.lines_count < TURNS_COUNT
        assert not received.is_complete
        wait_until(lambda: outcomes(site.service) == ["failed"])

        with http_client(site.service, caller) as client:
            wait_until(lambda: client.get(LIST).status_code == 200, 30)
            receive(client, received)

    assert received.lines_count == TURNS_COUNT
    assert received.is_complete


def test_a_client_that_stops_reading_is_ended_and_does_not_see_a_complete_answer(
    serve: Serve,
) -> None:
    service, app = serve(workers_count=1, REQUEST_DEADLINE_S="2", MONGODB_TIMEOUT_MS="1000")
    caller = exporter(app)

    with slow_client(service, caller) as client:
        received = receive(
            client,
            most_bytes=FIRST_BYTES,
            then=lambda: wait_until(lambda: outcomes(service) == ["aborted"], 30),
        )

    assert 0 < received.lines_count < TURNS_COUNT
    assert not received.is_complete


def test_exports_leave_room_for_normal_requests_and_other_organizations(serve: Serve) -> None:
    service, app = serve(workers_count=1, REQUEST_DEADLINE_S="120")
    own, other = exporter(app), exporter(app)
    # Compressed, the whole export would fit into the buffers.
    headers = {"Accept": NDJSON, "Accept-Encoding": "identity"}

    with slow_client(service, own) as client, slow_client(service, other) as beside:
        with ExitStack() as held:
            for each in (client, client, beside, beside):
                answer = held.enter_context(each.stream("GET", LIST, headers=headers))
                assert answer.status_code == 200
            for each in (client, beside):
                refused = each.get(LIST, headers=headers)
                assert (refused.status_code, error_of(refused)["details"]["limit"]) == (429, 2)
                assert [each.get(LIST).status_code for _ in range(10)] == [200] * 10
        # A stream of a client that is gone ends within `CONNECT_S`, or at its next write.
        wait_until(lambda: outcomes(service) == ["aborted"] * 4, 30)
        assert receive(client).lines_count == TURNS_COUNT
        assert receive(beside).lines_count == TURNS_COUNT
