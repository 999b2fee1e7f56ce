"""Callers with a key, applications and clients for them, and a clock that tests move."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

import httpx
from flask import Flask
from redis import Redis
from werkzeug.test import TestResponse

from app import create_app
from app.admission.clock import LedgerClock
from app.admission.gate import Gate
from app.admission.reconcile import Reconciler
from app.backends.backend import Backend
from app.http.application import provided
from app.interactions.importing import TurnImporter
from app.observability.health import Probes
from app.schema import ensure_schema
from app.tenancy.api_keys import ApiKeys
from app.tenancy.model import Environment, Organization, Scope
from app.tenancy.periods import period_at
from app.tenancy.service import Organizations
from config.settings import BackendKind
from tests import plain_http
from tests.background import without_background
from tests.script_clock import clocked
from tests.servers import RunningService, environ_for, running_service, settings_for
from tests.turns import Body, now_ms

T = TypeVar("T")
LIST = "/v1/interactions"
TURNS = "/v1/turns"


@dataclass(frozen=True, slots=True)
class Caller:
    """A key of an organization in one environment."""

    app: Flask
    organization: Organization
    environment: Environment
    token: str
    key_id: str = ""

    @property
    def account(self) -> str:
        return f"{self.organization.id}:{self.environment.value}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def quota_period(self) -> str:
        """Label of the current billing period."""
        return period_at(self.organization.signed_up_on, now_ms() * 1_000).label

    def __call__(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = self.headers | options.pop("headers", {})
        return self.app.test_client().open(path, method=method, headers=headers, **options)

    def record(self, payload: Body) -> TestResponse:
        return self("POST", LIST, json=payload)

    def record_batch(self, turns: list[Any]) -> TestResponse:
        return self("POST", f"{LIST}/batch", json={"interactions": turns})

    def list_(self, **query: Any) -> TestResponse:
        """Request a page; the parameter `from` is written `from_`, because Python reserves it."""
        return self(
            "GET", LIST, query_string={name.rstrip("_"): value for name, value in query.items()}
        )

    def page(self, **query: Any) -> dict[str, Any]:
        answer = self.list_(**query)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.get_json()
        return page

    def list_all(self, **query: Any) -> list[dict[str, Any]]:
        """Return every item of a listing, page by page."""
        page = self.page(**query)
        items = list(page["data"])
        while page["next_cursor"]:
            page = self.page(**query, cursor=page["next_cursor"])
            items += page["data"]
            assert len(items) < 100_000, "the listing does not end"
        return items

    def import_(self, payloads: Iterable[Body], recorded_at_us: int = 10**15) -> int:
        """Store turns of any age without the API, as an import; return how many are new."""
        with self.app.app_context():
            history = provided(TurnImporter)
            return history.store(self.account, payloads, self.quota_period, recorded_at_us)

    def counters(self) -> dict[str, int]:
        """Return the quota hash as an operator reads it with HGETALL."""
        with self.app.app_context():
            redis = provided(Backend).redis
        name = f"quota:{{{self.organization.id}}}:{self.environment.value}:{self.quota_period}"
        return {field: int(value) for field, value in redis.hgetall(name).items()}

    def rows_count(self) -> int:
        """Count the stored turns of this account."""
        with self.app.app_context():
            rows = provided(Backend).database["interactions"]
        return rows.count_documents({"account": self.account})


def new_caller(
    app: Flask,
    plan: str = "enterprise",
    *,
    scope: Scope = Scope.ADMIN,
    environment: Environment = Environment.LIVE,
    of: Organization | None = None,
    **overrides: int | str,
) -> Caller:
    """Make a caller of a new organization on `plan`, or of `of`; `overrides` change its limits."""
    with app.app_context():
        organizations = provided(Organizations)
        organization = of or organizations.create("Acme", plan)
        if overrides:
            organization = organizations.set_plan(organization.id, plan, overrides)
        key, token = provided(ApiKeys).issue(organization.id, environment, scope)
    return Caller(app, organization, environment, token, key.id)


def reserve(caller: Caller, payload: Body) -> TestResponse:
    """Reserve a turn."""
    return caller("POST", TURNS, json=payload)


class Clock:
    """Redis's clock as `app` reads it: stands still until a test moves it."""

    def __init__(self, app: Flask) -> None:
        self.now_us = self._monotonic_us = now_ms() * 1_000
        self.asked_count = 0
        with app.app_context():
            gate, self._ledger_clock = provided(Gate), provided(LedgerClock)
        for script in (gate._script, gate._seeder._script):
            script.client = clocked(script.client, lambda: self.now_us)
        self._ledger_clock._client = self
        self._ledger_clock._monotonic_us = lambda: self._monotonic_us
        self.move()

    def time(self) -> tuple[int, int]:
        """Answer the command TIME."""
        self.asked_count += 1
        return divmod(self.now_us, 1_000_000)

    @property
    def now_ms(self) -> int:
        return self.now_us // 1_000

    def move(self, *, us: int = 0, ms: int = 0, s: float = 0) -> None:
        passed_us = us + ms * 1_000 + round(s * 1_000_000)
        self.now_us += passed_us
        self._monotonic_us += passed_us
        self._ledger_clock.learn(self.now_us)

    def jump(self, *, s: float) -> None:
        """Step Redis's clock alone: no time passes, and no reply has carried the new time yet."""
        self.now_us += round(s * 1_000_000)


@contextmanager
def app_on(mongodb_uri: str, redis_url: str, **changes: Any) -> Iterator[Flask]:
    """Make an application in this process on these stores, with their schema."""
    stores = {"mongodb_uri": mongodb_uri, "redis_url": redis_url}
    app = without_background(
        create_app(settings_for(backend=BackendKind.LIVE, **stores, **changes))
    )
    app.testing = True
    with app.app_context():
        ensure_schema()
        backend = provided(Backend)
    try:
        yield app
    finally:
        backend.close()


@contextmanager
def app_beside(service: RunningService) -> Iterator[Flask]:
    """Make an application in this process on the stores of a running service."""
    with app_on(service.environ["MONGODB_URI"], service.environ["REDIS_URL"]) as app:
        yield app


@contextmanager
def shared_service(
    mongodb_uri: str, redis_url: str, folder: Path, *, workers_count: int, **environ: str
) -> Iterator[tuple[RunningService, Flask]]:
    """Run a service for several tests, on this Redis and a database that `folder` names."""
    own_uri = mongodb_uri.replace("/turnledger?", f"/{folder.name}?")
    variables = environ_for(own_uri, redis_url, **environ)
    log = folder / "service.log"
    with (
        running_service(variables, log, workers_count=workers_count) as service,
        app_beside(service) as app,
    ):
        yield service, app


def redis_of(service: RunningService) -> Redis:
    """Return a client of the service's Redis; the caller closes it."""
    return Redis.from_url(service.environ["REDIS_URL"], decode_responses=True, protocol=2)


def reconcile(app: Flask) -> list[dict[str, Any]]:
    """Run `flask quota reconcile` without its wait, because nothing is in flight."""
    with app.app_context():
        provided(Reconciler)._deadline_s = 0
    typed = app.test_cli_runner().invoke(args=["quota", "reconcile", "--json"])
    assert typed.exit_code == 0, typed.output
    results: list[dict[str, Any]] = json.loads(typed.stdout)
    return results


# `/readyz` of a service without turns and faults.
READY = {
    "status": "ready",
    "stores": {"mongodb": "up", "redis": "up"},
    "archive": {
        "lag_s": 0,
        "sweep_age_s": None,
        "over_retained_turns": 0,
        "organizations_at_fault": 0,
        "set_aside_turns": 0,
    },
    "warnings": [],
}


def readiness(app: Flask) -> TestResponse:
    """Request `/readyz` without the answer that it keeps for a second."""
    with app.app_context():
        provided(Probes).shared._last = None
    return app.test_client().get("/readyz")


def error_of(answer: Any) -> dict[str, Any]:
    """Return the error of a response of the test client or of httpx."""
    payload = answer.get_json() if isinstance(answer, TestResponse) else answer.json()
    error: dict[str, Any] = payload["error"]
    return error


@contextmanager
def http_client(service: RunningService, caller: Caller | None = None) -> Iterator[httpx.Client]:
    """Make an HTTP client of a running service with the caller's key; safe between threads."""
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    headers = caller.headers if caller else {}
    with plain_http.Client(
        base_url=service.base_url, headers=headers, limits=limits, timeout=60
    ) as client:
        yield client


def at_once(work: Sequence[Callable[[], T]]) -> list[T]:
    """Run each function in its own thread, all at once; return the results in order."""
    barrier = Barrier(len(work))

    def run(function: Callable[[], T]) -> T:
        barrier.wait()
        return function()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(run, work))


def log_lines(service: RunningService) -> list[dict[str, Any]]:
    """Return the request lines that a running service has logged so far."""
    # The last line may be incomplete.
    whole, _, _ = service.log.read_text(errors="replace").rpartition("\n")
    lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "request"]
