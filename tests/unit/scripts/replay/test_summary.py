"""The figures at the end of a replay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.lib.replay.summary import (
    Tally,
    as_text,
    outcome_of_error,
    outcome_of_result,
    percentile,
    spread_ms,
    summarize,
)

SHARES = [0.5, 0.95, 0.99, 1.0]


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.001, 1)]
)
def test_percentiles_of_one_to_a_hundred_are_their_own_names(share: float, expected: int) -> None:
    assert percentile(range(1, 101), share) == expected


@given(values=st.lists(st.floats(0, 1e6), min_size=1), share=st.sampled_from(SHARES))
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(
    values: list[float], share: float
) -> None:
    ordered = sorted(values)

    found = percentile(ordered, share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


def test_a_spread_is_in_milliseconds_and_needs_no_order() -> None:
    assert spread_ms([0.3, 0.1, 0.2]) == {"p50": 200.0, "p95": 300.0, "p99": 300.0, "max": 300.0}
    assert spread_ms([]) is None


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ({"status": "created"}, "accepted"),
        ({"status": "duplicate"}, "duplicates"),
        ({"status": "rejected", "error": {"code": "conflict"}}, "conflicts"),
        ({"status": "rejected", "error": {"code": "quota_exhausted"}}, "quota_refused"),
        ({"status": "rejected", "error": {"code": "validation_error"}}, "validation_error"),
    ],
)
def test_each_element_of_a_batch_has_its_outcome(result: dict[str, object], outcome: str) -> None:
    assert outcome_of_result(result) == outcome


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("rate_limit_exceeded", "rate_limited"), ("service_unavailable", "service_unavailable")],
)
def test_errors_without_a_place_keep_their_code(code: str, outcome: str) -> None:
    assert outcome_of_error(code) == outcome


def test_the_summary_adds_up_the_notes_of_all_senders() -> None:
    whole = Tally()
    for outcome, count in (("accepted", 3), ("rate_limited", 2), ("service_unavailable", 1)):
        tally = Tally(retries_count=1, lateness_s=[0.0], from_schedule_s=[0.2], from_send_s=[0.1])
        tally.outcomes[outcome] = count
        whole.add(tally)

    summary = summarize(whole, duration_s=2.0, planned_s=1.5)

    assert (summary["sent_turns"], summary["answered_requests"], summary["retries"]) == (6, 3, 3)
    assert (summary["accepted"], summary["rate_limited"], summary["conflicts"]) == (3, 2, 0)
    assert summary["other_errors"] == {"service_unavailable": 1}
    assert (summary["turns_per_second"], summary["requests_per_second"]) == (3.0, 1.5)
    assert summary["latency_from_schedule_ms"]["max"] == 200.0
    assert summary["latency_from_send_ms"]["max"] == 100.0


def test_the_text_names_every_figure_even_of_nothing() -> None:
    summary = summarize(Tally(), duration_s=0.0, planned_s=0.0)

    text = as_text(summary)

    assert len(text.splitlines()) == len(summary)
    assert all(name.replace("_", " ") in text for name in summary)
