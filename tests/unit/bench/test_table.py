"""A table has, beside a figure, the values that both sides have."""

from bench.pairs import Bar, Result, Sample
from bench.table import brief, line

PAIR = Sample(2, {"p50_ms": 1.234, "rss_mb": 64}), Sample(1, {"p50_ms": 2})


def test_only_what_both_sides_know_is_compared() -> None:
    found = line(Result("case", "peer", "requests/s", [PAIR], None))
    assert found["more"] == "p50_ms 1.23 : 2.00"
    assert found["verdict"] == "for information"


def test_a_result_in_few_words() -> None:
    assert brief(Result("case", "peer", "ms", [PAIR], Bar(3, 1))) == (
        "case beside peer: 2.00, BELOW THE FLOOR"
    )
