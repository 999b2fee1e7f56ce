"""The stores that `scripts/run` uses, the keys that it changes, the processes it waits for."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from pymongo import MongoClient

from devkit.children import holding
from tests.faults.kit.local_run import LocalRun, local_run

Stores = dict[str, str]


@pytest.fixture
def stores(own_stores: Callable[[], tuple[str, str]]) -> Stores:
    """External servers, whose data outlives a run."""
    mongodb_uri, redis_url = own_stores()
    return {"MONGODB_URI": mongodb_uri, "REDIS_URL": redis_url, "DEMO_TURNS": "0"}


def every_key(run: LocalRun) -> Iterator[str]:
    for scopes in run.demo["keys"].values():
        yield from scopes.values()
    yield run.demo["test_key"]


def statuses(run: LocalRun, keys: list[str]) -> set[int]:
    return {run.get("/v1/me", key).status_code for key in keys}


@pytest.mark.long
def test_shared_stores_keep_every_key_that_works(tmp_path: Path, stores: Stores) -> None:
    """Start in a second folder twice: at first, and after the keys of a plan are lost."""
    secrets = {"KEY_PEPPERS": "pepper-that-both-runs-share-0123456789"}
    with local_run(tmp_path / "first", **stores, **secrets) as first:
        previous = list(every_key(first))
        with local_run(tmp_path / "second", output="b.out", **stores, **secrets) as second:
            added = second.demo
            assert set(every_key(second)).isdisjoint(previous)
            assert added["organizations"] == first.demo["organizations"]
            assert statuses(second, previous) == {200}
        lose_keys(stores, added["organizations"]["pro"])
        with late_start(tmp_path / "second", stores | secrets) as second:
            assert statuses(second, list(every_key(second))) == {200}
            assert second.demo["keys"]["free"] == added["keys"]["free"]
            assert second.demo["keys"]["pro"] != added["keys"]["pro"]


def lose_keys(stores: Stores, organization_id: str) -> None:
    with closing(MongoClient(stores["MONGODB_URI"])) as client:
        api_keys = client.get_default_database()["api_keys"]
        api_keys.delete_many({"organization_id": organization_id})


@contextmanager
def late_start(folder: Path, environ: Mapping[str, str]) -> Iterator[LocalRun]:
    """Start while the folder is held; check that the start waits, whatever the pid file says."""
    (folder / "demo.json").unlink()  # the announcement of the earlier start
    with ExitStack() as stack:
        with holding(folder, 0):
            (folder / "pid").write_text(f"{os.getpid()}\n")  # now the id of an unrelated process
            start = local_run(folder, is_awaited=False, output="late.out", **environ)
            run = stack.enter_context(start)
            run.wait_until_it_says(f"waiting for another run to release {folder}")
        run.wait_until_ready()
        yield run
