"""Many organizations, and the arrivals of a real trace many times as fast, on real servers.

Real are the distances in time and the token counts of the trace; organizations, people and all else
are made up from a seed (`organizations.py`, `scripts/lib/replay/turns.py`).
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from redis import Redis

from app.services import Services
from app.usage.store import COLLECTION as ROLLUPS
from app.wiring import build
from bench.growth.books import read_books
from bench.growth.crew import Crew, standing_crew
from bench.growth.producer import DEGRADED, Sent, Setting
from bench.processes import cpu_meter
from bench.stage import Stage
from scripts.lib.replay.summary import ACCEPTED, QUOTA_REFUSED, RATE_LIMITED, Tally, spread_ms

_NAMED = (ACCEPTED, RATE_LIMITED, QUOTA_REFUSED)
Figures = dict[str, Any]


def simulate(stage: Stage, setting: Setting) -> Figures:
    """Run it, and return every figure; AssertionError if the books do not balance."""
    stage.furnished("turnledger")
    with closing(_Stores(stage, setting)) as stores, standing_crew(setting) as crew:
        seeded = _seeded(stores, crew, setting)
        meter = cpu_meter(stage.stores)
        sent: list[Sent] = crew.all("send")
        tally = _whole(sent)
        sent_count = tally.outcomes.total()
        cpu = {"cpu_s_app": sum(each.cpu_s for each in sent) / sent_count * 1_000}
        cpu |= meter(sent_count)
        books = read_books(stores.services)
        balanced_count = books.require_balance(tally.outcomes[ACCEPTED] + tally.outcomes[DEGRADED])
        return {
            "organizations": setting.organizations,
            **_arrived(tally, sent, setting),
            **{f"{name} per 1,000 turns": round(value, 2) for name, value in cpu.items()},
            **seeded,
            "Redis bytes an organization, after": stores.used_bytes() // setting.organizations,
            "ledger rows = accepted": "yes",
            "accounts whose counters = ledger": balanced_count,
            "accounts with turns": len(books.ledger),
            **_kept_up(stores.services),
        }


class _Stores:
    """A client for the parent: counts what the processes have done."""

    def __init__(self, stage: Stage, setting: Setting) -> None:
        self.services: Services = build(setting.settings())
        self._redis = Redis.from_url(stage.redis_url)
        self._empty_bytes = self._memory_bytes()

    def used_bytes(self) -> int:
        """Return bytes in Redis beyond those of an empty one."""
        return self._memory_bytes() - self._empty_bytes

    def close(self) -> None:
        self._redis.close()
        self.services.backend.close()

    def _memory_bytes(self) -> int:
        memory: Any = self._redis.info("memory")
        return int(memory["used_memory"])


def _seeded(stores: _Stores, crew: Crew, setting: Setting) -> Figures:
    """Seed every organization's counters from the empty ledger, as its first turn would."""
    started = time.perf_counter()
    assert sum(crew.all("seed")) == setting.organizations
    seconds = time.perf_counter() - started
    return {
        "seeding, organizations/s": round(setting.organizations / seconds, 1),
        "Redis bytes an organization, seeded": stores.used_bytes() // setting.organizations,
    }


def _whole(sent: list[Sent]) -> Tally:
    whole = Tally()
    for each in sent:
        whole.add(each.tally)
    return whole


def _arrived(tally: Tally, sent: list[Sent], setting: Setting) -> Figures:
    outcomes: Mapping[str, int] = tally.outcomes
    others = Counter({name: count for name, count in outcomes.items() if name not in _NAMED})
    duration_s = max(each.duration_s for each in sent)
    return {
        "speed": setting.speed,
        "workers": setting.workers,
        "arrived": tally.outcomes.total(),
        **{name: outcomes.get(name, 0) for name in _NAMED},
        "others": dict(others),
        "duration_s": round(duration_s, 1),
        "turns/s": round(tally.outcomes.total() / duration_s, 1),
        "ms from due to done": spread_ms(tally.from_schedule_s),
        "ms late in being taken up": spread_ms(tally.lateness_s),
    }


def _kept_up(services: Services) -> Figures:
    """Measure a pass of the worker over all turns, without its wait."""
    archived, archived_s = _timed(services.rooms.usage.archive_pass.run)
    accounts, listed_s = _timed(services.rooms.admission.reconciler.list_accounts)
    compared, compared_s = _timed(
        lambda: services.rooms.admission.reconciler.reconcile(accounts, wait=lambda seconds: None)
    )
    drift = sum(abs(each.turns_drift) + abs(each.relationships_drift) for each in compared)
    assert drift == 0, f"a drift of {drift} without any outage"
    return {
        "archive pass, s": round(archived_s, 1),
        "archive, days of accounts": archived.days,
        "archive, ms a day of an account": round(archived_s / max(archived.days, 1) * 1_000, 2),
        "archive, bytes a day of an account": _rollup_bytes(services),
        "reconcile pass, s": round(listed_s + compared_s, 1),
        "reconcile, accounts": len(compared),
        "reconcile, ms an account": round(compared_s / max(len(compared), 1) * 1_000, 2),
    }


def _rollup_bytes(services: Services) -> int:
    stats: Figures = services.backend.database.command("collStats", ROLLUPS)
    return int(stats["avgObjSize"])


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    return work(), time.perf_counter() - started
