"""What the local run takes from its caller's environment, and what it refuses."""

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
def test_what_cannot_be_meant_is_refused_in_a_line(name: str, value: str, message: str) -> None:
    with pytest.raises(Failure, match=message) as refused:
        caller_environ({name: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("backend", ["live", "memory"])
def test_both_backends_are_taken(backend: str) -> None:
    assert caller_environ({"BACKEND": backend}) == {"BACKEND": backend}


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert caller_environ({"BACKEND": "", "DEMO_TURNS": "", "PORT": "1"}) == {"PORT": "1"}


def test_what_another_run_s_env_exported_is_dropped_and_said(
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


def test_without_the_marker_one_s_own_servers_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    own = {"MONGODB_URI": "mongodb://mine/db"}
    forget_other_run(own)
    assert caller_environ(own) == own
    assert capsys.readouterr().out == ""


def test_a_hanging_redis_holds_a_local_worker_up_for_two_seconds_at_most(tmp_path: Path) -> None:
    stores, folder = Stores("bundled", {}), DataFolder(tmp_path)

    environ, chosen = (
        service_environ(stores, folder, own) for own in ({}, {"REDIS_TIMEOUT_MS": "50"})
    )

    timeout_ms = int(environ["REDIS_TIMEOUT_MS"])
    (default_ms,) = (each.default for each in fields(Settings) if each.name == "redis_timeout_ms")
    assert default_ms < timeout_ms <= 2_000 / FAILURES_COUNT
    assert chosen["REDIS_TIMEOUT_MS"] == "50"


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_the_head_of_the_script(option: str) -> None:
    told = _run(option)
    assert told.returncode == 0
    assert told.stdout.startswith("Runs Turnledger on this machine")
    for name in ("PORT", "HOST", "DATA_DIR", "DEMO_TURNS", "MONGODB_URI", "REDIS_URL", "BACKEND"):
        assert name in told.stdout
    assert "set -euo" not in told.stdout


@pytest.mark.parametrize("arguments", [["--port=1"], ["8000"], [""], ["a", "--help"]])
def test_any_other_argument_is_an_error(arguments: list[str]) -> None:
    told = _run(*arguments)
    assert (told.returncode, told.stdout) == (2, "")
    assert "scripts/run --help" in told.stderr


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "scripts" / "run"), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
