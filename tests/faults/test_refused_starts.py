"""A start that cannot succeed ends at once, with one line: the error and its fix."""

from pathlib import Path

import pytest

from tests.corpus.variables import CANARY, odd_settings
from tests.faults.kit.starts import ended_start, own_words
from tests.servers import RunningService, ServerKind

# The exit status by which gunicorn recognises a worker that cannot start; wsgi.py.
CANNOT_START = {ServerKind.GRANIAN: 1, ServerKind.GUNICORN: 3}


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("HOST", "192.0.2.1", "no such address"),
        # Both servers read them with the same code, before they claim the port.
        pytest.param("HOST", "nowhere.invalid", "set an IP address", marks=pytest.mark.long),
        ("PORT", "http", "0 to 65535"),  # tests/unit/serving/test_web.py has every number
        pytest.param(
            *("WEB_TLS_CERTIFICATE", "/nowhere/own.pem", "set a file that can be read"),
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_bad_variable_is_one_line_with_its_name_and_fix(
    kind: ServerKind, name: str, value: str, fix: str
) -> None:
    ended = ended_start(kind, **{name: value})
    (line,) = own_words(ended)
    assert ended.returncode == 1
    shown = "" if name == "WEB_TLS_CERTIFICATE" else f"={value!r}"  # it may be the key itself
    assert line.startswith(f"{name}{shown} is refused: ")
    assert fix in line


def test_a_certificate_without_its_key_is_one_line_with_the_missing_variable(
    kind: ServerKind, tmp_path: Path
) -> None:
    certificate = tmp_path / "certificate.pem"
    certificate.touch()
    ended = ended_start(kind, WEB_TLS_CERTIFICATE=str(certificate))
    (line,) = own_words(ended)
    assert ended.returncode == 1
    assert line == "WEB_TLS_KEY='' is refused: set it too, or unset WEB_TLS_CERTIFICATE"


def test_a_folder_that_cannot_be_created_is_one_line_with_its_name_and_fix(
    kind: ServerKind, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "folder")
    ended = ended_start(kind, PROMETHEUS_MULTIPROC_DIR=folder, PORT="0")
    (line,) = own_words(ended)
    assert ended.returncode == 1
    assert line.startswith(f"PROMETHEUS_MULTIPROC_DIR={folder!r} is refused: set a folder")


def test_a_missing_setting_is_reported_once_with_its_fix(kind: ServerKind) -> None:
    ended = ended_start(kind, ID_KEY="", PORT="0")
    assert ended.returncode == 1
    assert ended.stderr.count("ID_KEY") == 1
    assert "Traceback" not in ended.stderr


def test_odd_values_of_all_settings_are_refused_together(kind: ServerKind) -> None:
    odd = odd_settings(list(ServerKind).index(kind))  # other values for each server
    ended = ended_start(kind, **{variable.name: variable.value for variable in odd}, PORT="0")
    lines = own_words(ended)
    assert ended.returncode == 1
    assert lines[0] == "The environment cannot start Turnledger:"
    assert len(lines) == 1 + len(odd) + 1
    for variable in odd:
        (line,) = [line for line in lines if line.startswith(f"  {variable.name}: ")]
        assert [words for words in variable.refused if words not in line] == []
    assert CANARY not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("REDIS_URL", f"redis://user:{CANARY}@nowhere.invalid/0"),
        ("MONGODB_URI", f"mongodb+srv://user:{CANARY}@nowhere.invalid/db"),
    ],
)
def test_an_unknown_host_ends_the_start(kind: ServerKind, name: str, address: str) -> None:
    ended = ended_start(kind, **{name: address}, PORT="0")
    (line,) = own_words(ended)[1:-1]
    assert ended.returncode == 1
    assert line.startswith(f"  {name}: names no host that can be found: check its name")
    assert CANARY not in ended.stdout + ended.stderr


def test_a_bad_plans_file_ends_the_start_with_setting_and_line(
    kind: ServerKind, tmp_path: Path
) -> None:
    plans = tmp_path / "plans.toml"
    plans.write_text("[free]\nname = \n")
    ended = ended_start(kind, PLANS_FILE=str(plans), PORT="0")
    assert ended.returncode == CANNOT_START[kind]
    setting, fault = own_words(ended)
    assert setting == "PLANS_FILE is refused:"
    assert fault.startswith(f"{plans}: not TOML")
    assert "line 2" in fault


def test_a_port_in_use_is_one_line_and_creates_no_folder(
    kind: ServerKind, shared_service: RunningService, tmp_path: Path
) -> None:
    port = shared_service.base_url.rpartition(":")[2]
    folder = tmp_path / "folder"
    ended = ended_start(kind, PORT=port, PROMETHEUS_MULTIPROC_DIR=str(folder))
    (line,) = own_words(ended)
    assert ended.returncode == 1
    assert line == (
        f"PORT='{port}' is refused: Address already in use at 127.0.0.1; "
        "set another port, or stop the program that uses it"
    )
    assert not folder.exists()
