"""One rule for `.env`: every program reads the nearest one; process variables win."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.servers import ROOT, environ_for

GUNICORN = str(ROOT / "config" / "gunicorn.py")
PROGRAMS: dict[str, Sequence[str]] = {
    "granian": ("-m", "app"),
    "gunicorn": ("-m", "gunicorn", "-c", GUNICORN, "wsgi:app"),
    "flask": ("-m", "flask", "--app", "wsgi", "org", "list"),
    "local run": ("-m", "scripts.lib.local"),
}
REFUSED = "set one of live, memory"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a working directory with `.env` in its parent."""
    text = "BACKEND=odd\nLOG_LEVEL=loud\nDEMO_TURNS=many\n"
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    below = tmp_path / "below"
    below.mkdir()
    return below


def started(program: str, folder: Path, **environ: str) -> str:
    """Start a program that ends by itself; return its output."""
    ended = subprocess.run(
        [sys.executable, *PROGRAMS[program]],
        check=False,
        cwd=folder,
        env=base_environ() | environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode != 0
    return ended.stdout + ended.stderr


def base_environ() -> Mapping[str, str]:
    """Return all required variables except the backend, and an impossible port."""
    environ = environ_for("mongodb://127.0.0.1:1/none", "redis://127.0.0.1:1/0")
    for name in ("BACKEND", "FLASK_SKIP_DOTENV"):
        del environ[name]
    return environ | {"PYTHONPATH": str(ROOT), "DATA_DIR": os.devnull, "HOST": "127.0.0.1"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_reads_the_nearest_file_and_prefers_variables_of_the_process(
    program: str, folder: Path
) -> None:
    text = started(program, folder, BACKEND="live", PORT="0")
    assert ("DEMO_TURNS" if program == "local run" else "LOG_LEVEL") in text
    assert REFUSED not in text


@pytest.mark.parametrize("program", PROGRAMS)
def test_one_variable_disables_the_file_for_all_programs(program: str, folder: Path) -> None:
    text = started(program, folder, FLASK_SKIP_DOTENV="1", ID_KEY="short", PORT="0")
    assert REFUSED not in text
    assert "ID_KEY" in text or "DATA_DIR" in text


@pytest.mark.parametrize("program", ["granian", "gunicorn", "local run"])
def test_a_file_other_than_text_is_reported_in_one_line(program: str, folder: Path) -> None:
    (folder / ".env").write_bytes(b"LOG_LEVEL=\xff\n")
    text = started(program, folder, PORT="0")
    assert ".env cannot be read: make it a file of UTF-8 text" in text
    assert "Traceback" not in text


def test_the_tests_themselves_read_no_env_file() -> None:
    assert os.environ["FLASK_SKIP_DOTENV"] == "1"
