"""The price of a batch before the plan's burst caps it."""

from hypothesis import given
from hypothesis import strategies as st

from app.interactions.batch import ELEMENTS_PER_TOKEN, price_of
from app.interactions.schemas import MAX_PER_BATCH

counts = st.integers(1, MAX_PER_BATCH)


@given(counts)
def test_the_price_pays_for_every_element_and_for_less_than_50_more(count: int) -> None:
    assert ELEMENTS_PER_TOKEN == 50
    assert 0 <= 50 * price_of(count) - count < 50


@given(counts, counts)
def test_no_split_of_a_batch_is_cheaper(one: int, other: int) -> None:
    assert price_of(one + other) <= price_of(one) + price_of(other)
