"""One process of the simulation: an in-process service that turns arrive at, as scheduled.

A worker's threads take the arrivals of its share in their order, each at the instant at which it is
due. The loop is open: latency counts from that instant, even if the producer was late. A turn
passes the service's own body parser, schema, gate, script, recorder and ledger, but not HTTP or
authentication.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import Any

import orjson

from app.admission.ticket import AdmissionTicket
from app.backends.outages import OUTAGES
from app.error_answers import find_problem
from app.interactions.recording import Recorder
from app.services import Services
from app.tenancy.model import Principal
from app.tenancy.plans import load_plans
from app.wiring import build
from bench.growth.organizations import Population, population
from bench.processes import cpu_s
from config.settings import BackendKind, Settings
from scripts.lib.replay.schedule import plan_shots
from scripts.lib.replay.summary import ACCEPTED, DUPLICATE, Tally, outcome_of_error
from scripts.lib.replay.trace import read_trace
from scripts.lib.replay.turns import Recipe
from tests.servers import settings_for

THREADS_COUNT = 8
DEGRADED = "degraded"
_START_IN_S = 0.5


@dataclass(frozen=True, slots=True)
class Setting:
    """All that decides a run, but for how fast the machine is."""

    mongodb_uri: str
    redis_url: str
    trace: Path
    start_ms: int
    speed: float
    organizations: int
    quota_share: float
    seed: int
    workers: int

    def settings(self) -> Settings:
        """Return the settings of the service on these stores."""
        stores = {"mongodb_uri": self.mongodb_uri, "redis_url": self.redis_url}
        return settings_for(backend=BackendKind.LIVE, **stores)

    def population(self) -> Population:
        """Return the organizations, the same in every process."""
        plans = load_plans(self.settings().plans_file)
        return population(plans, self.organizations, self.seed, self.quota_share)


@dataclass(frozen=True, slots=True)
class Sent:
    """One process's notes: its tally, CPU seconds while turns arrived, and until the last."""

    tally: Tally
    cpu_s: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class _Due:
    """One recording, ready to be sent."""

    due_s: float
    principal: Principal
    body: bytes


class Producer:
    """One process's share of the organizations and of the arrivals; steps are taken in order."""

    def __init__(self, setting: Setting, number: int) -> None:
        self._services: Services = build(setting.settings())
        population = setting.population()
        self._own = population.principals[number :: setting.workers]
        self._dues = _dues(setting, population, number)

    def ready(self) -> int:
        """Return the number of prepared turns."""
        return len(self._dues)

    def seed(self) -> int:
        """Have each organization's counters counted from the ledger; how many there are."""
        with ThreadPoolExecutor(THREADS_COUNT) as pool:
            return len(list(pool.map(self._services.rooms.admission.gate.inspect, self._own)))

    def send(self) -> Sent:
        """Record every turn of the share at its instant."""
        rest, lock, cpu_before_s = iter(self._dues), Lock(), cpu_s(os.getpid())
        began = time.perf_counter() + _START_IN_S
        tallies = [Tally() for _ in range(THREADS_COUNT)]
        with ThreadPoolExecutor(THREADS_COUNT) as pool:
            for done in [pool.submit(self._work, rest, lock, began, tally) for tally in tallies]:
                done.result()
        whole = Tally()
        for tally in tallies:
            whole.add(tally)
        return Sent(whole, cpu_s(os.getpid()) - cpu_before_s, time.perf_counter() - began)

    def close(self) -> None:
        """Let the stores go."""
        self._services.backend.close()

    def _work(self, rest: Iterator[_Due], lock: Lock, began: float, tally: Tally) -> None:
        never = Event()
        while True:
            with lock:
                due = next(rest, None)
            if due is None:
                return
            due_at = began + due.due_s
            never.wait(max(0.0, due_at - time.perf_counter()))
            tally.lateness_s.append(time.perf_counter() - due_at)
            tally.outcomes[self._outcome(due)] += 1
            tally.from_schedule_s.append(time.perf_counter() - due_at)

    def _outcome(self, due: _Due) -> str:
        services, account = self._services, due.principal.account
        ticket = AdmissionTicket(services.rooms.admission.gate, due.principal)
        try:
            return _recorded(
                services.rooms.interactions.recorder, account, orjson.loads(due.body), ticket
            )
        except OUTAGES as outage:
            return type(outage).__name__
        except Exception as error:
            problem = find_problem(error)
            if problem is None:
                raise
            return outcome_of_error(problem.code)


def _recorded(recorder: Recorder, account: str, body: Any, ticket: AdmissionTicket) -> str:
    recorded = recorder.record(recorder.read(account, body, recorder.request_clock()), ticket)
    if recorded.document.get("degraded"):
        return DEGRADED
    return ACCEPTED if recorded.is_new else DUPLICATE


def _dues(setting: Setting, population: Population, number: int) -> list[_Due]:
    arrivals = read_trace(setting.trace)
    recipe = Recipe(setting.trace.stem, setting.start_ms, setting.seed)
    return [
        _Due(shot.due_s, population.owner_of(arrival), orjson.dumps(recipe.body(arrival)))
        for shot in plan_shots(arrivals, setting.speed, 1)[number :: setting.workers]
        for arrival in shot.arrivals
    ]
