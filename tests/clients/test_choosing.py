"""Where turns are kept."""

import logging
from pathlib import Path

import pytest
from turnledger._outbox import choosing
from turnledger._outbox.memory import MemoryOutbox
from turnledger._outbox.store import Outbox

from tests.clients.outboxes import ACCOUNT, Clock


def chosen(setting: str | Path | None, **environ: str) -> Outbox | MemoryOutbox:
    return choosing.choose_outbox(
        setting, ACCOUNT, max_turns=9, fsync=False, now_ms=Clock(), environ=environ
    )


def test_the_usual_file_is_below_the_state_folder(tmp_path: Path) -> None:
    outbox = chosen(None, XDG_STATE_HOME=str(tmp_path))
    assert outbox.path == tmp_path / "turnledger" / "outbox.db"
    assert list(tmp_path.iterdir()) == []


def test_a_file_may_be_chosen(tmp_path: Path) -> None:
    assert chosen(tmp_path / "my.db").path == tmp_path / "my.db"


def test_memory_may_be_chosen(caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(chosen("memory"), MemoryOutbox)
    assert caplog.records == []


@pytest.mark.parametrize("cause", ["network", "locks", "folder"])
def test_memory_is_the_way_out_with_one_warning(
    cause: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    changes = {
        "network": ("network_type", lambda _: "nfs4"),
        "locks": ("can_lock", lambda: False),
        "folder": ("_is_writable", lambda _: False),
    }
    monkeypatch.setattr(choosing, *changes[cause])
    with caplog.at_level(logging.WARNING, "turnledger"):
        for _ in range(2):
            assert isinstance(chosen(None, XDG_STATE_HOME=str(tmp_path)), MemoryOutbox)
    assert len(caplog.records) == 1
