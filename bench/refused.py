"""Case `refused`: a 429 of an empty bucket beside an admitted `GET /v1/me`."""

from collections.abc import Iterator

from bench.admission import PATH
from bench.ledger import empty_ledger
from bench.pairs import Bar, Result, alternated
from bench.sites import getting, running
from bench.sizes import Sizes
from bench.stage import Stage

BAR = Bar(floor=0.9, goal=1.2)


def run(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Measure an organization with a tiny bucket beside one with an enormous bucket."""
    narrow = empty_ledger(stage, requests_per_second=1, burst=1)
    wide = empty_ledger(stage)
    with running(stage, narrow) as ours, running(stage, wide) as theirs:
        refused = getting(ours, PATH, narrow.headers, stage, sizes, is_refused=True)
        admitted = getting(theirs, PATH, wide.headers, stage, sizes)
        pairs = alternated(refused, admitted, sizes.pairs)
        yield Result("refused", "admitted GET /v1/me", "requests/s", pairs, BAR)
