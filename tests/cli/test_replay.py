"""`scripts/replay`, as somebody types it."""

import json
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from app.tenancy.model import Scope
from scripts.lib.replay.__main__ import main
from scripts.lib.replay.trace import HEADER
from tests.callers import Caller, new_caller, shared_service
from tests.servers import REDIS_DATABASES_COUNT, ROOT, RunningService

TURNS_COUNT = 40
FAST = ("--speed", "1000000", "--concurrency", "8", "--json")

# An organization has half of the threads within a second after a request of another.
THREADS = {"WEB_THREADS": "32"}
PAGE = ROOT / "docs" / "operate" / "replay.md"

Replay = Callable[..., Result]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Forty turns within a second."""
    lines = [f"2023-11-16 18:15:46.{number:02d}00000,{number},7" for number in range(TURNS_COUNT)]
    path = tmp_path / "arrivals.csv"
    path.write_text("\r\n".join([HEADER, *lines]) + "\r\n")
    return path


@pytest.fixture
def replay(tmp_path: Path) -> Replay:
    """Types the command in the trace's folder; DATA_DIR is that of a local run that never was."""
    environ = {"CALLER_DIR": str(tmp_path), "DATA_DIR": "nowhere"}
    return lambda *words: CliRunner().invoke(main, ["arrivals.csv", *words], env=environ)


@pytest.fixture(scope="module")
def stores(
    live_mongodb_uri: str, live_redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningService, Flask]]:
    """One service, with threads for all requests at once beside an organization of before."""
    folder = tmp_path_factory.mktemp("replay")
    redis_url = live_redis_url.removesuffix("/0") + f"/{REDIS_DATABASES_COUNT - 3}"
    with shared_service(live_mongodb_uri, redis_url, folder, workers_count=1, **THREADS) as shared:
        yield shared


@pytest.fixture
def service(stores: tuple[RunningService, Flask]) -> RunningService:
    """A real service."""
    return stores[0]


@pytest.fixture
def callers(stores: tuple[RunningService, Flask]) -> Callable[..., Caller]:
    """Makes organizations of the running service."""
    return lambda *plan, **options: new_caller(stores[1], *plan, **options)


def test_the_sample_that_the_page_names_is_there_and_can_be_replayed(
    service: RunningService, callers: Callable[..., Caller]
) -> None:
    caller = callers()
    (named,) = set(re.findall(r"^scripts/replay (\S+)", PAGE.read_text(encoding="utf-8"), re.M))
    summary = reported(
        CliRunner().invoke(main, [str(ROOT / named), *FAST, *to(service, caller), "--batch", "100"])
    )
    assert summary["accepted"] == summary["sent_turns"] == 300
    assert caller.rows_count() == 300


def reported(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    summary: dict[str, Any] = json.loads(result.stdout)
    return summary


def to(service: RunningService, caller: Caller) -> tuple[str, ...]:
    return ("--base-url", service.base_url, "--key", caller.token)


@pytest.mark.usefixtures("trace")
def test_turns_are_recorded_once_however_they_are_sent(
    service: RunningService, callers: Callable[..., Caller], replay: Replay
) -> None:
    caller = callers()
    first = reported(replay(*FAST, *to(service, caller)))
    again = (*FAST, *to(service, caller), "--start", first["start"])

    in_batches = reported(replay(*again, "--batch", "7", "--speed", "500"))
    otherwise = reported(replay(*again, "--seed", "2"))

    assert (first["accepted"], first["duplicates"]) == (TURNS_COUNT, 0)
    assert (in_batches["accepted"], in_batches["duplicates"]) == (0, TURNS_COUNT)
    assert in_batches["answered_requests"] == 6
    assert otherwise["conflicts"] == TURNS_COUNT
    assert caller.rows_count() == caller.counters()["turns_used"] == TURNS_COUNT


@pytest.mark.usefixtures("trace")
def test_refusals_by_the_rate_are_counted_and_tried_again(
    service: RunningService, callers: Callable[..., Caller], replay: Replay
) -> None:
    limited = callers("free", requests_per_second=1, burst=5)

    by_rate = reported(replay(*FAST, *to(service, limited)))
    retried = reported(replay(*FAST, *to(service, limited), "--limit", "1", "--retry", "5"))

    assert by_rate["accepted"] + by_rate["rate_limited"] == TURNS_COUNT
    assert 4 <= by_rate["accepted"] < TURNS_COUNT
    assert retried["accepted"] == 1


def test_a_refused_batch_is_sent_again_once_its_tokens_are_there(
    service: RunningService, callers: Callable[..., Caller], replay: Replay, trace: Path
) -> None:
    lines = [f"2023-11-16 18:15:46.{number:03d}0000,{number},7" for number in range(200)]
    trace.write_text("\n".join([HEADER, *lines]) + "\n")
    caller = callers(requests_per_second=1, burst=2)
    batches = ("--batch", "100", "--concurrency", "1", "--retry", "5")

    summary = reported(replay(*FAST, *to(service, caller), *batches))

    # Each batch costs the whole burst, so the second one waits until the bucket is full again.
    assert (summary["accepted"], summary["rate_limited"]) == (200, 0)
    assert summary["retries"] >= 1


@pytest.mark.usefixtures("trace")
def test_refusals_by_the_quota_are_counted(
    service: RunningService, callers: Callable[..., Caller], replay: Replay
) -> None:
    by_quota = reported(replay(*FAST, *to(service, callers(turns=3))))

    assert (by_quota["accepted"], by_quota["quota_refused"]) == (3, TURNS_COUNT - 3)


@pytest.mark.usefixtures("trace")
def test_a_key_that_cannot_record_is_refused_before_anything_is_sent(
    service: RunningService, callers: Callable[..., Caller], replay: Replay
) -> None:
    reader = callers(scope=Scope.READ)

    refused = replay(*to(service, reader))
    unknown = replay("--base-url", service.base_url, "--key", "uniq_live_nobody0000")

    assert (refused.exit_code, unknown.exit_code) == (1, 1)
    assert "give one with scope read_write" in refused.output
    assert "refuses the key (invalid_token)" in unknown.output
    assert reader.rows_count() == 0


@pytest.mark.usefixtures("trace")
@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ((), "demo.json does not exist: start scripts/run"),
        (("--base-url", "nonsense", "--key", "k"), "write it like http://127.0.0.1:8000"),
        (("--base-url", "http://127.0.0.1:1", "--key", "k"), "start the service"),
    ],
)
def test_without_a_service_one_line_names_the_next_step(
    replay: Replay, words: tuple[str, ...], fix: str
) -> None:
    result = replay(*words)

    assert result.exit_code == 1
    assert fix in result.output
    assert len(result.output.splitlines()) == 1


class Deaf(BaseHTTPRequestHandler):
    """Knows its key, and hangs up on every recording."""

    def do_GET(self) -> None:
        organization = {"name": "Acme", "id": "org", "plan": "pro"}
        me = {"organization": organization, "plan": "pro", "environment": "live"}
        body = json.dumps(me | {"scopes": ["read", "read_write"]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Write nothing to the log."""


@pytest.mark.slow  # it waits for seconds
@pytest.mark.usefixtures("trace")
def test_a_service_that_goes_away_ends_the_run_with_what_was_sent(replay: Replay) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Deaf) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        result = replay("--base-url", f"http://127.0.0.1:{server.server_port}", "--key", "k")
        server.shutdown()
        thread.join()

    assert result.exit_code == 1
    assert "sent turns                0" in result.output
    assert "--start" in result.output
    assert "Error: The run ended early: http://127.0.0.1" in result.output.splitlines()[-1]


def test_a_bad_line_is_refused_before_any_request(replay: Replay, trace: Path) -> None:
    trace.write_text(f"{HEADER}\nnonsense\n")

    result = replay("--base-url", "http://127.0.0.1:9", "--key", "k")

    assert result.exit_code == 1
    assert "arrivals.csv, line 2 is not an arrival" in result.output
