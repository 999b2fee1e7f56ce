"""What a wrapped call costs beside a bare one, and what an import of the package costs."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from turnledger import Ledger

from tests.clients.other_process import servers_elsewhere
from tests.servers import ROOT

pytestmark = pytest.mark.long
BLOCKS_COUNT, CALLS_COUNT = 17, 100
MOST_US = 300
MOST_IMPORT_MS = 40
MESSAGES = [{"role": "user", "content": "Hello"}]
IMPORT = (
    "import time; begun = time.perf_counter(); import turnledger; "
    "print(time.perf_counter() - begun)"
)


def openai_plain(client: Any) -> None:
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)


def openai_stream(client: Any) -> None:
    options = {"include_usage": True}
    chunks = client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, stream=True, stream_options=options
    )
    assert len(list(chunks)) == 7


def anthropic_plain(client: Any) -> None:
    client.messages.create(model="claude", max_tokens=9, messages=MESSAGES)


def anthropic_stream(client: Any) -> None:
    events = client.messages.create(model="claude", max_tokens=9, messages=MESSAGES, stream=True)
    assert len(list(events)) == 9


def client_for(call: Callable[[Any], None], url: str) -> Any:
    if call in {openai_plain, openai_stream}:
        return openai.OpenAI(base_url=f"{url}/v1", api_key="key")
    return anthropic.Anthropic(base_url=url, api_key="key")


def cost_us(call: Callable[[Any], None], client: Any) -> tuple[float, float]:
    """Return the CPU time of a call in this thread, and in the whole process."""
    thread_s, process_s = time.thread_time(), time.process_time()
    for _ in range(CALLS_COUNT):
        call(client)
    spent = (time.thread_time() - thread_s, time.process_time() - process_s)
    return spent[0] / CALLS_COUNT * 1e6, spent[1] / CALLS_COUNT * 1e6


@pytest.mark.parametrize("call", [openai_plain, openai_stream, anthropic_plain, anthropic_stream])
def test_a_wrapped_call_costs_little_in_its_own_thread(
    call: Callable[[Any], None], tmp_path: Path, report_figures: Callable[..., None]
) -> None:
    more: list[tuple[float, float]] = []
    bare_us: list[float] = []
    with (
        servers_elsewhere() as (models_url, ledger_url),
        Ledger(
            ledger_url,
            "uniq_live_Overhead4711",
            personality_id="pers_ada",
            outbox=tmp_path / "outbox.db",
        ) as ledger,
        client_for(call, models_url) as bare,
    ):
        wrapped = ledger.wrap(bare, include_usage=True)
        for number in range(BLOCKS_COUNT + 1):
            without, with_ = cost_us(call, bare), cost_us(call, wrapped)
            if number:  # the first block warms up
                more.append((with_[0] - without[0], with_[1] - without[1]))
                bare_us.append(without[0])
        assert ledger.flush(30)
        assert ledger.stats().wrapper_errors == 0
    thread_us, process_us = (statistics.median(each[at] for each in more) for at in (0, 1))
    report_figures(
        bare_us=round(statistics.median(bare_us)),
        thread_us=round(thread_us),
        process_us=round(process_us),
    )
    assert thread_us < MOST_US


def test_the_import_is_quick(report_figures: Callable[..., None]) -> None:
    environ = {"PYTHONPATH": str(ROOT / "clients" / "python" / "src")}
    command = [sys.executable, "-c", IMPORT]
    took_ms = [
        float(subprocess.run(command, env=environ, check=True, capture_output=True).stdout) * 1_000
        for _ in range(9)
    ]
    report_figures(import_ms=round(statistics.median(took_ms), 1))
    assert statistics.median(took_ms) < MOST_IMPORT_MS
