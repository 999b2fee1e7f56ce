"""The variables that the local run accepts from its caller, and those it refuses."""

import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from app.backends.breaker import FAILURES_COUNT
from config.settings import Settings
from scripts.lib.local.environment import caller_environ, forget_other_run, service_environ
from scripts.lib.local.files import EXPORTED, MARKER, DataFolder
from scripts.lib.local.messages import Failure
from scripts.lib.local.stores import Stores
from tests.servers import ROOT


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("BACKEND", "memroy", r"BACKEND='memroy' is refused: set one of live, memory"),
        ("BACKEND", "LIVE", r"BACKEND='LIVE' is refused"),
        ("DEMO_TURNS", "many", r"DEMO_TURNS='many' is refused: set a whole number"),
        ("DEMO_TURNS", "10000001", r"from 0 to 10000000"),
        ("WEB_CONCURRENCY", "many", r"WEB_CONCURRENCY='many' is refused"),
    ],
)
def test_an_invalid_value_is_refused_in_one_line(name: str, value: str, message: str) -> None:
    with pytest.raises(Failure, match=message) as refused:
        caller_environ({name: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("backend", ["live", "memory"])
def test_both_backends_are_accepted(backend: str) -> None:
    assert caller_environ({"BACKEND": backend}) == {"BACKEND": backend}


def test_an_empty_variable_counts_as_not_set() -> None:
    assert caller_environ({"BACKEND": "", "DEMO_TURNS": "", "PORT": "1"}) == {"PORT": "1"}


def test_variables_of_another_run_are_dropped_with_a_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    exported = dict.fromkeys(EXPORTED, "a value of that run")
    own = {"PORT": "8001", "PATH": "/bin"}

    environ = exported | own | {MARKER: "/there"}
    forget_other_run(environ)
    assert caller_environ(environ) == own

    (line,) = capsys.readouterr().out.splitlines()
    assert "/there/env" in line
    assert all(name in line for name in EXPORTED)


def test_without_the_marker_the_callers_servers_are_used(
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = {"MONGODB_URI": "mongodb://mine/db"}
    forget_other_run(own)
    assert caller_environ(own) == own
    assert capsys.readouterr().out == ""


def test_a_hanging_redis_delays_a_local_worker_by_at_most_two_seconds(tmp_path: Path) -> None:
    stores, folder = Stores("bundled", {}), DataFolder(tmp_path)

    environ, chosen = (
        service_environ(stores, folder, own) for own in ({}, {"REDIS_TIMEOUT_MS": "50"})
    )

    timeout_ms = int(environ["REDIS_TIMEOUT_MS"])
    (default_ms,) = (each.default for each in fields(Settings) if each.name == "redis_timeout_ms")
    assert default_ms < timeout_ms <= 2_000 / FAILURES_COUNT
    assert chosen["REDIS_TIMEOUT_MS"] == "50"


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_prints_the_header_of_the_script(option: str) -> None:
    ended = _run(option)
    assert ended.returncode == 0
    assert ended.stdout.startswith("Run Turnledger on this machine")
    for name in ("PORT", "HOST", "DATA_DIR", "DEMO_TURNS", "MONGODB_URI", "REDIS_URL", "BACKEND"):
        assert name in ended.stdout
    assert "set -euo" not in ended.stdout


@pytest.mark.parametrize("arguments", [["--port=1"], ["8000"], [""], ["a", "--help"]])
def test_any_other_argument_is_an_error(arguments: list[str]) -> None:
    ended = _run(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "scripts/run --help" in ended.stderr


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "scripts" / "run"), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
