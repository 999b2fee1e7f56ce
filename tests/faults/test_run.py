"""`scripts/run` from the first start to the last signal, with real servers and real signals."""

import os
import re
import shlex
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from pymongo import MongoClient

from tests.faults.kit.local_run import LocalRun, are_gone, command_of, local_run, taken_port
from tests.servers import ROOT, wait_until

PLANS = {"free", "pro", "scale", "enterprise"}
SCOPES = {"read", "read_write", "admin"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "da ta"  # a path that shells split


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    """Yield one run for all tests that only read; SIGTERM ends it in order."""
    with local_run(tmp_path_factory.mktemp("run") / "da ta", WEB_CONCURRENCY="2") as run:
        yield run
        assert_a_signal_ends_everything_in_order(run, signal.SIGTERM, workers_count=2)


@pytest.fixture(scope="module")
def second(served: LocalRun) -> Iterator[LocalRun]:
    """Yield a start in the same folder, which waits ten seconds while other tests read."""
    announced = (served.folder / "demo.json").read_text()
    with local_run(served.folder, is_awaited=False, output="second.out") as run:
        yield run
    assert (served.folder / "demo.json").read_text() == announced


@pytest.fixture(scope="module")
def unanswered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    """Yield a start without a MongoDB, which waits half a minute while other tests read."""
    nowhere = {"MONGODB_URI": "mongodb://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
    folder = tmp_path_factory.mktemp("unanswered") / "data"
    with local_run(folder, is_awaited=False, **nowhere) as run:
        yield run


def assert_a_signal_ends_everything_in_order(
    run: LocalRun, number: signal.Signals, workers_count: int = 1
) -> None:
    # mongod, valkey-server, the archiver, the service and its workers, perhaps late
    wait_until(lambda: len(run.descendants()) >= 4 + workers_count)
    children = run.descendants()
    run.process.send_signal(number)
    assert run.wait_for_end() == 0
    assert are_gone(children)


@pytest.mark.usefixtures("second", "unanswered")
def test_a_first_start_announces_a_demo_that_answers(served: LocalRun) -> None:
    demo = served.demo
    assert set(demo) == {
        *("base_url", "mongodb_uri", "redis_url", "operator_token"),
        *("keys", "test_key", "organizations"),
    }
    assert set(demo["keys"]) == set(demo["organizations"]) == PLANS
    for plan, keys in demo["keys"].items():
        assert set(keys) == SCOPES
        assert demo["organizations"][plan] in served.get("/v1/me", keys["admin"]).text
    assert served.get("/v1/me", demo["test_key"]).status_code == 200
    page = served.get("/v1/interactions?limit=50", demo["keys"]["scale"]["read"]).json()
    assert len(page["data"]) == 50
    assert f"curl -s -H 'Authorization: Bearer {demo['keys']['pro']['read_write']}'" in served.text


def test_files_of_the_run_are_private_to_its_owner(served: LocalRun) -> None:
    names = ("demo.json", "env", "secrets.json", "seeds.json")
    modes = {stat.S_IMODE((served.folder / name).stat().st_mode) for name in names}
    assert modes == {0o600}
    assert stat.S_IMODE(served.folder.stat().st_mode) == 0o700
    assert open_to_others(served.folder) == set()


def open_to_others(folder: Path) -> set[str]:
    """Return files and folders with permissions for others; servers may be deleting some."""
    found = set()
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mode & 0o077:
                found.add(path.name)
    return found


def test_the_printed_command_reaches_the_demo_from_any_folder(served: LocalRun) -> None:
    (line,) = re.findall(r"Commands: (.*)", served.text)
    listed = subprocess.run(
        ["bash", "-c", line], cwd="/", check=False, capture_output=True, text=True, timeout=60
    )
    assert set(re.findall(r"org_\w+", listed.stdout)) == set(served.demo["organizations"].values())


def test_the_worker_archives_and_reconciles_beside_the_service(served: LocalRun) -> None:
    log = served.folder / "worker.log"
    assert [child for child in served.descendants() if "wsgi worker" in command_of(child)]
    for event in ("archived", "quota_reconciled"):
        assert wait_until(lambda event=event: f'"{event}"' in log.read_text(), timeout_s=60)


def test_the_sample_trace_is_replayed_by_the_command_as_printed(served: LocalRun) -> None:
    page = (ROOT / "docs" / "operate" / "replay.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^scripts/replay .*", page, re.MULTILINE)
    replayed = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=os.environ | {"DATA_DIR": str(served.folder)},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert replayed.returncode == 0, replayed.stderr
    assert re.search(r"sent turns +300\n +accepted +300\n", replayed.stdout)


def test_a_folder_serves_one_run_at_a_time(served: LocalRun, second: LocalRun) -> None:
    assert second.wait_for_end() == 1
    assert f"process {served.process.pid}" in second.text


def test_kill_9_leaves_no_child_and_the_next_start_finds_everything_in_any_shell(
    folder: Path, own_stores: Callable[[], tuple[str, str]]
) -> None:
    """Start next in a shell with the `env` of another run; SIGINT ends that run in order."""
    with local_run(folder) as run:
        first, children = run.demo, run.descendants()
        page = run.get("/v1/interactions", first["keys"]["pro"]["read"]).json()["data"]
        run.process.kill()
        run.wait_for_end()
    mongodb_uri, redis_url = own_stores()
    stores = {"MONGODB_URI": mongodb_uri, "REDIS_URL": redis_url, "BACKEND": "live"}
    other = {"TURNLEDGER_RUN": "/somewhere/var", "KEY_PEPPERS": "x" * 40}
    with local_run(folder, **stores, **other) as run:
        assert "ignoring the variables of /somewhere/var/env in this shell" in run.text
        assert run.demo["mongodb_uri"] != mongodb_uri
        assert run.demo["keys"] == first["keys"]
        assert run.get("/v1/interactions", first["keys"]["pro"]["read"]).json()["data"] == page
        assert are_gone(children)
        assert_a_signal_ends_everything_in_order(run, signal.SIGINT)
    with closing(MongoClient(mongodb_uri)) as client:
        assert client.get_default_database().list_collection_names() == []


def kill_while(command: str, folder: Path, **environ: str) -> None:
    """Kill the run as soon as it has such a child; check that all children end soon."""
    with local_run(folder, is_awaited=False, output="killed.out", **environ) as run:
        run.wait_until_it_runs(command)
        children = run.descendants()
        run.process.kill()
        run.wait_for_end()
        wait_until(lambda: are_gone(children), timeout_s=20)


@pytest.mark.long
def test_kill_9_ends_the_seeding_of_servers_that_keep_running(
    folder: Path, own_stores: Callable[[], tuple[str, str]]
) -> None:
    """Check too that the next run ends with its worker."""
    mongodb_uri, redis_url = own_stores()
    stores = {"MONGODB_URI": mongodb_uri, "REDIS_URL": redis_url}
    # So many turns that the seeding cannot end by itself.
    kill_while("local.seeding", folder, DEMO_TURNS="10000000", **stores)
    with local_run(folder, DEMO_TURNS="0", **stores) as run:
        assert run.get("/v1/me", run.demo["test_key"]).status_code == 200
        assert_the_death_of_a_child_ends_it(run, "worker", "wsgi worker")


def assert_the_death_of_a_child_ends_it(run: LocalRun, name: str, command: str) -> None:
    """Kill the child; check that the run reports it and ends with all of its processes."""
    children = run.descendants()
    named = {child for child in children if command in command_of(child)}
    os.kill(min(named), signal.SIGKILL)
    assert run.wait_for_end() == 1
    (line,) = [line for line in run.text.splitlines() if line.startswith("scripts/run:")]
    assert f"{name} ended with status -9; from {run.folder}" in line
    assert '"s":"I"' not in run.text
    assert wait_until(lambda: are_gone(children), timeout_s=20)


@pytest.mark.long
@pytest.mark.parametrize("command", ["mongod", "valkey-server", "local.seeding", "-m app"])
def test_kill_9_at_any_step_leaves_no_child_and_the_next_start_serves(
    folder: Path, command: str
) -> None:
    kill_while(command, folder)
    with local_run(folder) as run:
        assert run.get("/v1/me", run.demo["test_key"]).status_code == 200


def test_a_port_in_use_is_one_line_with_its_number(folder: Path) -> None:
    with taken_port() as port, local_run(folder, is_awaited=False, PORT=str(port)) as run:
        assert run.wait_for_end() == 1
        (line,) = [found for found in run.text.splitlines() if not found.startswith("*")]
        assert f"PORT='{port}' is refused: Address already in use" in line


@pytest.mark.parametrize(
    ("name", "command", "backend"),
    [
        ("service", "local.memory_service", "memory"),
        ("mongod", "mongod", "live"),
    ],
)
def test_a_child_that_dies_ends_the_run_and_is_reported(
    folder: Path, name: str, command: str, backend: str
) -> None:
    with local_run(folder, BACKEND=backend, DEMO_TURNS="0") as run:
        assert_the_death_of_a_child_ends_it(run, name, command)


def command_in(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run `. DATA_DIR/env && flask …` in the checkout."""
    line = f". {shlex.quote(str(folder / 'env'))} && .venv/bin/flask --app wsgi {command}"
    return subprocess.run(
        ["bash", "-c", line], cwd=ROOT, check=False, capture_output=True, text=True, timeout=60
    )


def test_without_servers_it_runs_in_memory_and_warns(folder: Path) -> None:
    with local_run(folder, BACKEND="memory", DEMO_TURNS="60") as run:
        assert "WARNING" in run.text
        assert "nothing is kept" in run.text
        assert run.demo["mongodb_uri"] is None
        page = run.get("/v1/interactions", run.demo["keys"]["scale"]["read"]).json()
        assert len(page["data"]) == 20
        command = command_in(folder, "org list")
        assert command.returncode == 1
        assert "BACKEND=memory keeps everything inside the service's process" in command.stderr
        run.process.terminate()
        assert run.wait_for_end() == 0


@pytest.mark.long
def test_the_next_start_appends_to_the_log_on_ipv6_and_in_a_terminal_of_ascii(folder: Path) -> None:
    """Announce an address of IPv6 that reaches the service, and write no other sign than ASCII."""
    folder = folder.with_name("Zo\u00eb")
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    for host in ("::", "[::1]"):
        with local_run(folder, HOST=host, BACKEND="memory", DEMO_TURNS="0", **bare) as run:
            assert run.demo["base_url"].startswith("http://[::1]:")
            assert run.get("/v1/me", run.demo["test_key"]).status_code == 200
            assert run.text.isascii()
    log = (folder / "service.log").read_text()
    assert log.count('{"event":"run_started"') == 2
    first, second = log.split('{"event":"run_started"')[1:]
    assert '"/v1/me"' in first
    assert '"/v1/me"' in second


def test_a_wrong_program_is_reported(folder: Path) -> None:
    with local_run(folder, is_awaited=False, MONGOD_BIN="/nowhere/mongod") as run:
        assert run.wait_for_end() == 1
        assert "MONGOD_BIN=/nowhere/mongod is not a program" in run.text


def test_stores_that_do_not_answer_are_reported_in_one_line(unanswered: LocalRun) -> None:
    assert unanswered.wait_for_end() == 1
    assert (
        "MongoDB is unavailable: connection refused. Check the server and MONGODB_URI."
        in unanswered.text
    )
    assert "Traceback" not in unanswered.text
