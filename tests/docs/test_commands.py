"""Every command of README and docs does, as printed, what its page says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, Block, blocks
from tests.docs.shapes import json_differences, json_values, text_differences
from tests.docs.shell import Outcome, make_checkout, run_blocks
from tests.faults.kit.local_run import LocalRun, local_run
from tests.servers import ROOT

pytestmark = pytest.mark.slow  # it starts everything that `scripts/run` starts

# A busy machine must not look like an outage; a reconciliation waits for the deadline.
LONG_TIMEOUTS = {
    "REDIS_TIMEOUT_MS": "5000",
    "MONGODB_TIMEOUT_MS": "4000",
    "REQUEST_DEADLINE_S": "5",
}
RUN_PAGES = [page for page in PAGES if any(block.is_run for block in blocks(page))]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    """Start the local run, as all pages expect it in another terminal."""
    folder = tmp_path_factory.mktemp("docs") / "var"
    with local_run(folder, DEMO_TURNS="500", WEB_CONCURRENCY="1", **LONG_TIMEOUTS) as started:
        yield started


# One test for all pages: they share one local run, whichever process of the tests takes it.
def test_every_block_does_what_its_page_says(
    run: LocalRun, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    assert len(RUN_PAGES) >= 2
    for number, page in enumerate(RUN_PAGES):
        folder = tmp_path / f"{number}-{page.stem}"
        make_checkout(folder, run.folder)
        address = run.demo["base_url"].removeprefix("http://")
        environ = {**LONG_TIMEOUTS, "DATA_DIR": str(run.folder)}
        outcomes = run_blocks(blocks(page), folder, address, environ)
        with subtests.test(str(page.relative_to(ROOT))):
            found = [mistake for outcome in outcomes for mistake in mistakes(outcome)]
            assert not found, "\n\n".join(found)


def mistakes(outcome: Outcome) -> Iterator[str]:
    """Yield each way in which a block did other than its page says."""
    block = outcome.block
    if not outcome.has_ended:
        yield f"{block} did not end: {outcome.errors}"
    elif bool(outcome.failed) != ("fails" in block.words):
        yield f"{block} failed in {outcome.failed or 'nothing'}: {outcome.errors}{outcome.output}"
    answer = answer_of(block)
    if answer is None:
        if is_error(outcome.output):
            yield f"{block} got an error that its page does not show: {outcome.output}"
    elif answer.language == "json":
        found = json_differences(answer.text, outcome.output, is_exact="varies" not in answer.words)
        yield from (f"{answer} {line}" for line in found)
    else:
        shown = outcome.errors + outcome.output
        yield from (f"{answer} {line}" for line in text_differences(answer.text, shown))


def answer_of(block: Block) -> Block | None:
    """Return the block that shows a command's answer: the next one, if it shows any."""
    after = [each for each in blocks(block.page) if each.line > block.line]
    return after[0] if after and after[0].is_answer else None


def is_error(output: str) -> bool:
    """Return True if one of the answers is the envelope of errors."""
    try:
        return any(isinstance(value, dict) and "error" in value for value in json_values(output))
    except ValueError:
        return False
