"""A fake ledger, a client of it, a fake model server, and wrapped clients of that."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
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


@pytest.fixture
def bare(models: FakeModels) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="k", base_url=f"{models.url}/v1", max_retries=1) as client:
        yield client


@pytest.fixture
def gpt(bare: openai.OpenAI, ledger: Ledger) -> openai.OpenAI:
    return ledger.wrap(bare, provider="openai", include_usage=True)


@pytest.fixture
def bare_claude(models: FakeModels) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="k", base_url=models.url, max_retries=0) as client:
        yield client


@pytest.fixture
def claude(bare_claude: anthropic.Anthropic, ledger: Ledger) -> anthropic.Anthropic:
    return ledger.wrap(bare_claude, provider="anthropic")
