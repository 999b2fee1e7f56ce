"""`flask db init`: says what it found, what it did and what is left; and what needs it first."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from pymongo.database import Database

from app.backends import live
from app.backends.backend import Backend
from app.backends.outages import OUTAGES
from app.backends.validators import ensure_validator
from app.http.application import provided
from app.interactions.store import INDEXES, RETIRED_INDEXES
from app.interactions.validator import row_validator
from app.schema import DatabaseSchema
from config.settings import BackendKind
from tests.callers import new_caller
from tests.schema import (
    PREVIOUS,
    make_previous_schema,
    make_schema,
    models_of,
    read_previous,
)
from tests.servers import ROOT, environ_for, settings_for
from tests.turns import body, new_account, row

Rows = Database[dict[str, Any]]
Run = Callable[..., Result]
INIT = (sys.executable, "-m", "flask", "--app", "wsgi", "db", "init")
ROWS_COUNT = 300_000
FEW_COUNT = 2_000
DEFINITIONS_COUNT = 21
OURS = row_validator()
# The least that may be set.
REQUEST_MS = 500


@pytest.fixture
def run_live(live_app: Flask) -> Run:
    """Types a command on the real database."""
    runner = live_app.test_cli_runner()
    return lambda *words: runner.invoke(args=[*words])


def test_everything_is_shown_with_its_state(run_live: Run) -> None:
    shown = json.loads(run_live("db", "init", "--json").stdout)

    assert len(shown) == DEFINITIONS_COUNT
    assert {"collection": "interactions", "name": "validator", "state": "unchanged"} in shown
    assert {"collection": "usage_daily", "name": "day", "state": "unchanged"} in shown


def test_a_widened_validator_is_named_with_the_next_step(
    run_live: Run, live_database: Rows
) -> None:
    before = {"$jsonSchema": {"required": ["status"]}}
    live_database.command({"collMod": "interactions", "validator": before})

    widened = run_live("db", "init")
    tightened = run_live("db", "init", "--tighten")

    assert widened.exit_code == tightened.exit_code == 0
    assert "flask --app wsgi db init --tighten" in widened.stderr
    assert tightened.stderr == ""


def test_a_retired_index_is_named_with_the_next_step_and_dropped_by_it(
    run_live: Run, live_database: Rows
) -> None:
    live_database["interactions"].create_indexes(models_of(RETIRED_INDEXES))

    kept = run_live("db", "init", "--json")
    dropped = run_live("db", "init", "--tighten", "--json")

    assert kept.exit_code == dropped.exit_code == 0
    for result, state in ((kept, "retired"), (dropped, "dropped")):
        shown = json.loads(result.stdout)
        assert {"collection": "interactions", "name": "quota", "state": state} in shown
        assert len(shown) == DEFINITIONS_COUNT + 1
    assert "index quota" in kept.stderr
    assert "flask --app wsgi db init --tighten" in kept.stderr
    assert dropped.stderr == ""
    assert len(json.loads(run_live("db", "init", "--json").stdout)) == DEFINITIONS_COUNT


def test_what_is_blocked_ends_with_1_and_the_next_step(run_live: Run, live_database: Rows) -> None:
    live_database["interactions"].drop_index("list")
    live_database["interactions"].create_index("status", name="list")

    result = run_live("db", "init")

    assert result.exit_code == 1
    assert "dropIndex" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "collection", ["api_keys", "audit", "interactions", "usage_daily", "usage_period"]
)
def test_without_the_schema_no_organization_and_no_key_is_made(
    memory_app: Flask, run: Run, collection: str
) -> None:
    organization_id = new_caller(memory_app).organization.id
    with memory_app.app_context():
        database = provided(Backend).database
        database.drop_collection(collection)
    before = {name: list(database[name].find()) for name in ("organizations", "api_keys")}

    for command in (
        ("org", "create", "Acme"),
        ("key", "create", organization_id, "--scope", "read"),
    ):
        result = run(*command)
        assert result.exit_code == 1
        assert "flask --app wsgi db init" in result.output
        assert collection in result.output
    assert {name: list(database[name].find()) for name in before} == before


def test_with_the_validator_off_no_organization_is_made_but_turns_are_archived(
    run_live: Run, live_database: Rows
) -> None:
    live_database.command({"collMod": "interactions", "validationLevel": "off"})

    assert run_live("org", "create", "Acme").exit_code == 1
    assert live_database["organizations"].count_documents({}) == 0
    assert run_live("archive", "run").exit_code == 0


def fill(database: Rows, count: int) -> None:
    """Store turns of the previous release, quickly and unvalidated, in a ledger without indexes.

    They are archived, and expire long after the test.
    """
    template = read_previous("rows")[0] | {"expires_at": datetime(2100, 1, 1, tzinfo=UTC)}
    del template["open"]

    def insert(start: int) -> None:
        rows = [
            template | {"_id": f"{number:026d}", "turn_key": f"{number:016d}"}
            for number in range(start, min(count, start + 10_000))
        ]
        database["interactions"].insert_many(rows, ordered=False, bypass_document_validation=True)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(insert, range(0, count, 10_000)))


@pytest.fixture
def ledger(bare_database: Rows) -> Rows:
    """A ledger without turns, in which nothing is defined."""
    return bare_database


@pytest.fixture
def environ(ledger: Rows, live_mongodb_uri: str, fresh_redis_url: str) -> Mapping[str, str]:
    """The environment of commands on `ledger`; no request may wait as long as a build takes."""
    uri = live_mongodb_uri.replace("/turnledger?", f"/{ledger.name}?")
    return environ_for(uri, fresh_redis_url, MONGODB_TIMEOUT_MS=str(REQUEST_MS))


def build_within_a_request(environ: Mapping[str, str], name: str) -> None:
    """Build an index of the ledger within the time that a request may take."""
    backend = live.connect(
        settings_for(
            backend=BackendKind.LIVE,
            mongodb_uri=environ["MONGODB_URI"],
            redis_url=environ["REDIS_URL"],
            mongodb_timeout_ms=REQUEST_MS,
        )
    )
    with closing(backend):
        backend.database["interactions"].create_indexes(models_of({name: INDEXES[name]}))


def hear_interrupts() -> None:
    """Let SIGINT end the child. Children of a shell's background jobs ignore it by default."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def held(ledger: Rows) -> Iterator[None]:
    """Hold a transaction, for which builds on the collection of turns wait."""
    with ledger.client.start_session() as session:
        session.start_transaction()
        turns, turn = ledger["interactions"], row(new_account(), body())
        turns.insert_one(turn, session=session, bypass_document_validation=True)
        yield
        session.abort_transaction()


def interrupted_init(ledger: Rows, environ: Mapping[str, str]) -> tuple[int, str, str]:
    """Interrupt `flask db init` at its first line of progress.

    Return its exit code, this line, and what it said then.
    """
    with (
        held(ledger),  # so that the build is surely at work below
        subprocess.Popen(
            INIT,
            env=dict(environ),
            cwd=ROOT,
            text=True,
            stderr=subprocess.PIPE,
            preexec_fn=hear_interrupts,  # noqa: PLW1509 (the child runs nothing else before it)
        ) as process,
    ):
        assert process.stderr is not None
        progress = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    return process.returncode, progress, errors


def test_turns_of_the_previous_release_get_the_new_index_whatever_a_request_may_wait(
    ledger: Rows, environ: Mapping[str, str]
) -> None:
    fill(ledger, FEW_COUNT)
    make_previous_schema(ledger)
    with held(ledger), pytest.raises(OUTAGES):
        build_within_a_request(environ, "period")
    ensure_validator(ledger, "interactions", OURS, {"validator": PREVIOUS.validator})
    with subprocess.Popen(
        [*INIT, "--json"],
        env=dict(environ),
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        with held(ledger):
            assert process.stderr is not None
            progress = process.stderr.readline()
            # Far longer than a request may wait.
            Event().wait(3 * REQUEST_MS / 1_000)
            assert process.poll() is None
        answer, errors = process.communicate(timeout=60)
    assert progress.startswith("interactions: index period, ")
    assert process.returncode == 0, errors
    assert_upgraded(ledger, answer, FEW_COUNT)


def assert_upgraded(ledger: Rows, answer: str, count: int) -> None:
    """Require the schema of this release, on all turns of the previous one."""
    shown = {each["name"]: each["state"] for each in json.loads(answer)}
    assert (shown["period"], shown["quota"], shown["turn"]) == ("created", "retired", "unchanged")
    assert DatabaseSchema(ledger, ledger).find_differences() == []
    assert ledger["interactions"].estimated_document_count() == count


@pytest.mark.long
def test_many_turns_of_the_previous_release_get_the_new_index_whatever_a_request_may_wait(
    ledger: Rows, environ: Mapping[str, str], report_figures: Callable[..., None]
) -> None:
    fill(ledger, ROWS_COUNT)
    make_previous_schema(ledger)
    with pytest.raises(OUTAGES):
        build_within_a_request(environ, "period")
    # A change of the validator would wait for the transaction below, and prints no progress.
    ensure_validator(ledger, "interactions", OURS, {"validator": PREVIOUS.validator})
    code, progress, errors = interrupted_init(ledger, environ)
    assert (code, progress.split(",")[0]) == (1, "interactions: index period")
    assert "run the same command again" in errors
    started_s = time.monotonic()
    done = subprocess.run(
        [*INIT, "--json"], env=dict(environ), cwd=ROOT, capture_output=True, text=True, check=False
    )
    report_figures(rows=ROWS_COUNT, seconds=round(time.monotonic() - started_s, 1))

    assert done.returncode == 0, done.stderr
    assert_upgraded(ledger, done.stdout, ROWS_COUNT)


def test_a_build_that_is_interrupted_goes_on_with_the_next_run(
    ledger: Rows, environ: Mapping[str, str]
) -> None:
    fill(ledger, FEW_COUNT)
    rows = ledger["interactions"]
    ensure_validator(ledger, rows.name, OURS, {})

    code, progress, errors = interrupted_init(ledger, environ)

    assert progress.startswith("interactions: index turn, ")
    assert code == 1
    assert "run the same command again" in errors
    assert DatabaseSchema(ledger, ledger).find_differences() != []
    make_schema(ledger)
    assert DatabaseSchema(ledger, ledger).find_differences() == []
    assert rows.count_documents({}) == FEW_COUNT


@pytest.mark.parametrize("backend_name", ["memory", "live"])
def test_db_init_can_be_repeated(backend_name: str, request: pytest.FixtureRequest) -> None:
    app: Flask = request.getfixturevalue(f"{backend_name}_app")
    runner = app.test_cli_runner()
    first, second = (runner.invoke(args=["db", "init", "--json"]) for _ in range(2))
    assert first.exit_code == second.exit_code == 0
    assert json.loads(first.stdout) == json.loads(second.stdout)
    shown = json.loads(first.stdout)
    assert {"collection": "interactions", "name": "turn", "state": "unchanged"} in shown
    assert {"collection": "api_keys", "name": "lookup_1", "state": "unchanged"} in shown


def test_db_init_shows_every_index(live_app: Flask, live_backend: Backend) -> None:
    shown = json.loads(live_app.test_cli_runner().invoke(args=["db", "init", "--json"]).stdout)
    database = live_backend.database
    unchanged = [
        {"collection": collection, "name": "validator", "state": "unchanged"}
        for collection in ("audit", "interactions")
    ]
    unchanged += [
        {"collection": collection, "name": index, "state": "unchanged"}
        for collection in database.list_collection_names()
        for index in database[collection].index_information()
        if index != "_id_"
    ]
    assert sorted(shown, key=str) == sorted(unchanged, key=str)
