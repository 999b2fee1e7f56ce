"""A fake ledger, a client of it, and a fake model server."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_models import FakeModels, running_models
from turnledger import Ledger
from turnledger.testing import FakeLedger


@pytest.fixture
def fake() -> FakeLedger:
    """An empty ledger in memory, without a quota."""
    return FakeLedger()


@pytest.fixture
def ledger(fake: FakeLedger, tmp_path: Path) -> Iterator[Ledger]:
    """A client of `fake`, with an outbox file."""
    with fake.ledger(outbox=tmp_path / "outbox.db") as made:
        yield made


@pytest.fixture(scope="session")
def models() -> Iterator[FakeModels]:
    """The model server of this test process."""
    with running_models() as server:
        yield server


@pytest.fixture
def one_turn(fake: FakeLedger, ledger: Ledger) -> Any:
    """A function that waits until all is sent, and returns the only turn that is recorded."""

    def wait() -> dict[str, Any]:
        assert ledger.flush(10)
        (turn,) = fake.turns.values()
        return turn

    return wait
