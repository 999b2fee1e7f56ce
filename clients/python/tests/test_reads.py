"""Reads of something that is no ledger."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from turnledger import Ledger, ServerError

READS: list[Callable[[Ledger], Any]] = [
    lambda ledger: ledger.limits(),
    lambda ledger: ledger.me(),
    lambda ledger: ledger.usage(),
    lambda ledger: ledger.aggregates(),
    lambda ledger: ledger.interaction("int_1"),
    lambda ledger: list(ledger.interactions()),
]


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("body", ["{}", "[]", "null", '{"data": [1], "quota": 1}', "<html>"])
def test_an_answer_without_the_fields_is_no_answer(
    read: Callable[[Ledger], Any], body: str
) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text=body))
    with (
        Ledger(
            "http://ledger.test", "uniq_test_00000000", transport=transport, outbox="memory"
        ) as ledger,
        pytest.raises(ServerError),
    ):
        read(ledger)
