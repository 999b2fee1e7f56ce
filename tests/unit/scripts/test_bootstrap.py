"""When the virtual environment must be brought up to date."""

from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from scripts.lib import bootstrap

LAYERS = bootstrap.LAYERS


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A project with requirements, and the names of those that pip was asked for."""
    names: list[str] = []

    def run(command: Sequence[str], **_: bool) -> CompletedProcess[str]:
        names.append(Path(command[-1]).name)
        return CompletedProcess(command, 0)

    for name in LAYERS:
        (tmp_path / name).write_text(f"# {name}\n")
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "_run", run)
    return names


def install(name: str) -> None:
    bootstrap._install(bootstrap.ROOT / name)


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        (LAYERS[0], LAYERS[0], [LAYERS[0]]),
        (LAYERS[1], LAYERS[0], [LAYERS[1]]),
        (LAYERS[2], LAYERS[0], [LAYERS[2]]),
        (LAYERS[2], LAYERS[1], [LAYERS[2]]),
        (LAYERS[0], LAYERS[1], [LAYERS[0], LAYERS[1]]),
    ],
)
def test_only_what_no_larger_set_holds_is_installed(
    installed: list[str], first: str, then: str, expected: list[str]
) -> None:
    install(first)
    install(then)
    assert installed == expected


def test_a_larger_set_that_has_changed_since_proves_nothing(installed: list[str]) -> None:
    install(LAYERS[1])
    (bootstrap.ROOT / LAYERS[1]).write_text("# newer\n")
    install(LAYERS[0])
    assert installed == [LAYERS[1], LAYERS[0]]


def test_each_set_holds_all_pins_of_the_smaller_ones() -> None:
    pins = [_pins(name) for name in LAYERS]
    assert pins[0] < pins[1] < pins[2]


def _pins(name: str) -> set[str]:
    lines = (bootstrap.ROOT / name).read_text().splitlines()
    return {line.split()[0] for line in lines if "==" in line}
