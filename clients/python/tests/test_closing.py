"""What closing sends, what it loses, and that it says so."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from turnledger import AsyncLedger
from turnledger.testing import FakeLedger

INLINE: dict[str, Any] = {"send": "inline", "personality_id": "pers_a"}


def test_leaving_a_block_sends_inline(fake: FakeLedger) -> None:
    with fake.ledger(outbox="memory", **INLINE) as ledger:
        with ledger.turn():
            pass
        assert len(fake.turns) == 1


def test_closing_sends_inline_what_had_no_answer(fake: FakeLedger) -> None:
    ledger = fake.ledger(outbox="memory", **INLINE)
    with ledger.turn(reserve=False):
        fake.fail(503)
    assert ledger.outbox.counts().waiting == 1
    assert ledger.close(5)
    assert len(fake.turns) == 1
    assert ledger.stats().lost == 0


@pytest.mark.parametrize("send", ["inline", "background"])
def test_a_closed_outbox_in_memory_counts_what_it_loses(
    fake: FakeLedger, caplog: pytest.LogCaptureFixture, send: Any
) -> None:
    ledger = fake.ledger(outbox="memory", send=send, personality_id="pers_a")
    fake.is_down = True
    with ledger.turn(reserve=False):
        pass
    with caplog.at_level(logging.ERROR, "turnledger"):
        assert not ledger.close(0.01)
    assert ledger.stats().lost == 1
    assert "Turns are lost, because the outbox is in memory: 1" in caplog.text


def test_a_file_keeps_what_closing_could_not_send(fake: FakeLedger, tmp_path: Path) -> None:
    ledger = fake.ledger(outbox=tmp_path / "outbox.db", **INLINE)
    fake.is_down = True
    with ledger.turn(reserve=False):
        pass
    assert not ledger.close(0.01)
    assert ledger.stats().lost == 0
    with fake.ledger(outbox=tmp_path / "outbox.db", **INLINE) as next_:
        fake.is_down = False
        assert next_.flush(10)
    assert len(fake.turns) == 1


def test_an_asynchronous_ledger_works_on_after_it_is_closed(fake: FakeLedger) -> None:
    async def run() -> None:
        key = "uniq_test_00000000"
        ledger = AsyncLedger("http://ledger.test", key, transport=fake.transport, outbox="memory")
        await ledger.close()
        assert (await ledger.me()).environment
        await ledger.close()

    asyncio.run(run())
