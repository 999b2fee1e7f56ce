"""The stores that `scripts/run` uses, the keys that it changes, the processes it waits for."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
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


def test_a_shell_with_the_env_of_one_run_does_not_affect_another_run(
    tmp_path: Path, stores: Stores
) -> None:
    """Require that neither a stopped store nor a foreign one is used."""
    other = {"TURNLEDGER_RUN": "/somewhere/var", "KEY_PEPPERS": "x" * 40, "BACKEND": "live"}
    with local_run(tmp_path / "data", **stores, **other) as run:
        assert "ignoring the variables of /somewhere/var/env in this shell" in run.text
        assert run.demo["mongodb_uri"] != stores["MONGODB_URI"]
        assert statuses(run, list(every_key(run))) == {200}
    with closing(MongoClient(stores["MONGODB_URI"])) as client:
        assert client.get_default_database().list_collection_names() == []


def test_a_second_folder_adds_keys_to_shared_stores_and_revokes_none(
    tmp_path: Path, stores: Stores
) -> None:
    secrets = {"KEY_PEPPERS": "pepper-that-both-runs-share-0123456789"}
    with local_run(tmp_path / "first", **stores, **secrets) as first:
        previous = list(every_key(first))
        with local_run(tmp_path / "second", output="b.out", **stores, **secrets) as second:
            assert set(every_key(second)).isdisjoint(previous)
            assert second.demo["organizations"] == first.demo["organizations"]
            assert statuses(second, previous) == {200}


def test_only_keys_that_no_longer_work_are_created_again(tmp_path: Path, stores: Stores) -> None:
    with local_run(tmp_path / "data", **stores) as run:
        previous = run.demo
    with closing(MongoClient(stores["MONGODB_URI"])) as client:
        api_keys = client.get_default_database()["api_keys"]
        lost = previous["organizations"]["pro"]
        api_keys.delete_many({"organization_id": lost})
    with local_run(tmp_path / "data", **stores) as run:
        assert statuses(run, list(every_key(run))) == {200}
        assert run.demo["keys"]["free"] == previous["keys"]["free"]
        assert run.demo["keys"]["pro"] != previous["keys"]["pro"]


def test_a_start_waits_for_the_holder_of_the_folder_whatever_its_pid_file_says(
    tmp_path: Path, stores: Stores
) -> None:
    folder = tmp_path / "data"
    with ExitStack() as stack:
        with holding(folder, 0):
            (folder / "pid").write_text(f"{os.getpid()}\n")  # now the id of an unrelated process
            run = stack.enter_context(local_run(folder, is_awaited=False, **stores))
            run.wait_until_it_says(f"waiting for another run to release {folder}")
        run.wait_until_ready()
        assert statuses(run, [run.demo["test_key"]]) == {200}


def test_stores_that_do_not_answer_are_reported_in_one_line(tmp_path: Path, stores: Stores) -> None:
    no_server = stores | {"MONGODB_URI": "mongodb://127.0.0.1:1/none"}
    with local_run(tmp_path / "data", is_awaited=False, **no_server) as run:
        assert run.wait_for_end() == 1
        assert (
            "MongoDB is unavailable: connection refused. Check the server and MONGODB_URI."
            in run.text
        )
        assert "Traceback" not in run.text
