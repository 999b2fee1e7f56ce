"""The examples of the README run as printed, against a fake ledger."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import pytest
import turnledger
from fake_models import FakeModels
from turnledger.testing import FakeLedger

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_examples_run_in_order(
    fake: FakeLedger,
    models: FakeModels,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(turnledger, "Ledger", fake.ledger)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{models.url}/v1")
    names: dict[str, Any] = {
        "messages": [{"role": "user", "content": "hello"}],
        "my_model": lambda _: SimpleNamespace(),
    }
    assert len(BLOCKS) == 5
    for block in BLOCKS:
        exec(block, names)  # noqa: S102 - the text of this repository
    assert isinstance(names["model"], openai.OpenAI)
    assert names["ledger"].flush(10)
    names["ledger"].close()
    assert "created int_" in capsys.readouterr().out
    models_seen = {(turn.get("usage") or {}).get("llm_model") for turn in fake.turns.values()}
    assert {"gpt-4o", "llama-3.3-70b"} <= models_seen
    assert len(fake.turns) == 1_004
