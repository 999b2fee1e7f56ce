"""The error of a local run whose service does not become ready."""

from pathlib import Path

from scripts.lib.local.service import fix_of

LOG = Path("var/service.log")


def test_only_in_memory_fewer_demo_turns_make_a_start_faster() -> None:
    memory = {"BACKEND": "memory", "DEMO_TURNS": "100"}

    assert fix_of(memory, LOG) == "set DEMO_TURNS to less than 100, or see var/service.log"
    assert fix_of(memory | {"BACKEND": "live"}, LOG) == "see var/service.log"
