"""Case `size`: the newest page of a large ledger beside that of one with a hundredth of it."""

from collections.abc import Iterator

from bench.depth import paging
from bench.fastify import PATH
from bench.ledger import full_ledger
from bench.pairs import Bar, Result, alternated
from bench.sites import running
from bench.sizes import Sizes
from bench.stage import Stage

BAR = Bar(floor=1.2, goal=1.1, is_cost=True)
SHARE = 100


def run(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Load both ledgers, start a service on each, then ask them in turn."""
    large, small = (full_ledger(stage, turns) for turns in (sizes.turns, sizes.turns // SHARE))
    with running(stage, large) as ours, running(stage, small) as theirs:
        pairs = alternated(
            paging(ours, PATH, large, sizes), paging(theirs, PATH, small, sizes), sizes.pairs
        )
        peer = f"{sizes.turns // SHARE:,} of {sizes.turns:,} turns"
        yield Result("size", peer, "ms p50", pairs, BAR)
