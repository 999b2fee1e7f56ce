"""`flask db init`: says what it found, what it did and what is left; and what needs it first."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from pymongo import ASCENDING, IndexModel
from pymongo.database import Database

from app.backends import live
from app.backends.backend import Backend
from app.backends.outages import OUTAGES
from app.backends.validators import ensure_validator
from app.http.provide import provided
from app.interactions.store import INDEXES
from app.schema import DatabaseSchema, definitions
from config.settings import BackendKind
from tests.callers import new_caller
from tests.schema import make_schema
from tests.servers import ROOT, environ_for, settings_for
from tests.turns import body, new_account, row

Rows = Database[dict[str, Any]]
Run = Callable[..., Result]
INIT = (sys.executable, "-m", "flask", "--app", "wsgi", "db", "init")
ROWS_COUNT = 120_000
FEW_COUNT = 2_000
DEFINITIONS_COUNT = 17
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


def test_what_is_blocked_ends_with_1_and_the_next_step(run_live: Run, live_database: Rows) -> None:
    live_database["interactions"].drop_index("list")
    live_database["interactions"].create_index("status", name="list")

    result = run_live("db", "init")

    assert result.exit_code == 1
    assert "dropIndex" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("collection", ["api_keys", "interactions", "usage_daily", "usage_period"])
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
    """Store turns, quickly and unvalidated, in a ledger without indexes."""
    template = row(new_account(), body())
    accounts = [new_account() for _ in range(20)]
    for start in range(0, count, 10_000):
        database["interactions"].insert_many(
            [
                template
                | {
                    "_id": f"{number:026d}",
                    "account": accounts[number % len(accounts)],
                    "turn_key": f"{number:016d}",
                    "user_id": f"u_{number % 1_000}",
                }
                for number in range(start, min(count, start + 10_000))
            ],
            ordered=False,
            bypass_document_validation=True,
        )


@pytest.fixture
def ledger(bare_database: Rows) -> Rows:
    """A ledger without turns, in which nothing is defined."""
    return bare_database


@pytest.fixture
def environ(ledger: Rows, live_mongodb_uri: str, fresh_redis_url: str) -> Mapping[str, str]:
    """The environment of commands on `ledger`; no request may wait as long as a build takes."""
    uri = live_mongodb_uri.replace("/turnledger?", f"/{ledger.name}?")
    return environ_for(uri, fresh_redis_url, MONGODB_TIMEOUT_MS=str(REQUEST_MS))


def test_indexes_over_many_turns_are_built_whatever_a_request_may_wait(
    ledger: Rows, environ: Mapping[str, str], report_figures: Callable[..., None]
) -> None:
    fill(ledger, ROWS_COUNT)
    backend = live.connect(
        settings_for(
            backend=BackendKind.LIVE,
            mongodb_uri=environ["MONGODB_URI"],
            redis_url=environ["REDIS_URL"],
            mongodb_timeout_ms=REQUEST_MS,
        )
    )
    models = [
        IndexModel([(key, ASCENDING) for key in keys], name=name, **options)
        for name, (keys, options) in INDEXES.items()
    ]
    with closing(backend), pytest.raises(OUTAGES):
        backend.database["interactions"].create_indexes(models)
    started_s = time.monotonic()
    done = subprocess.run(
        [*INIT, "--json"], env=dict(environ), cwd=ROOT, capture_output=True, text=True, check=False
    )
    report_figures(rows=ROWS_COUNT, seconds=round(time.monotonic() - started_s, 1))

    assert done.returncode == 0, done.stderr
    assert {each["state"] for each in json.loads(done.stdout)} <= {"created", "changed"}
    assert DatabaseSchema(ledger, ledger).find_differences() == []


def hear_interrupts() -> None:
    """Let SIGINT end the child. Children of a shell's background jobs ignore it by default."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_build_that_is_interrupted_goes_on_with_the_next_run(
    ledger: Rows, environ: Mapping[str, str]
) -> None:
    fill(ledger, FEW_COUNT)
    rows = ledger["interactions"]
    (ours,) = (found.validator for found in definitions() if found.validator)
    ensure_validator(ledger, rows.name, ours, {})
    with ledger.client.start_session() as session:
        # A build waits for transactions on its collection, so that it is surely at work below.
        session.start_transaction()
        rows.insert_one(row(new_account(), body()), session=session)
        with subprocess.Popen(
            INIT,
            env=dict(environ),
            cwd=ROOT,
            text=True,
            stderr=subprocess.PIPE,
            preexec_fn=hear_interrupts,  # noqa: PLW1509 (the child runs nothing else before it)
        ) as process:
            assert process.stderr is not None
            progress = process.stderr.readline()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        session.abort_transaction()

    assert progress.startswith("interactions: index turn, ")
    assert process.returncode == 1
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
    unchanged = [{"collection": "interactions", "name": "validator", "state": "unchanged"}]
    unchanged += [
        {"collection": collection, "name": index, "state": "unchanged"}
        for collection in database.list_collection_names()
        for index in database[collection].index_information()
        if index != "_id_"
    ]
    assert sorted(shown, key=str) == sorted(unchanged, key=str)
