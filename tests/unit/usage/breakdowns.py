"""Draw breakdowns: any names, any sums."""

from hypothesis import strategies as st

from app.usage.breakdown import DIMENSIONS, Breakdown, Sums
from app.usage.names import NO_NAME, OTHERS

_NAMES = st.one_of(
    st.text("abc.$%/:@-2E45~", min_size=1, max_size=6), st.sampled_from([OTHERS, NO_NAME])
)
_SUMS = st.builds(
    Sums, st.integers(1, 9), st.integers(0, 1_000), st.integers(0, 2**40), st.integers(0, 2**40)
)
tables = st.dictionaries(_NAMES, _SUMS, max_size=4)
breakdowns = st.builds(Breakdown, st.integers(0, 99), **dict.fromkeys(DIMENSIONS, tables))
