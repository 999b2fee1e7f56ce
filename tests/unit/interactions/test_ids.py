"""Interaction ids: order, time and identity in one value."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.interactions.ids import (
    PREFIX,
    TurnKeys,
    find_ulid,
    instant_ms,
    lowest_ulid,
    turn_key,
)

KEYS = TurnKeys("id-key-of-the-tests-0123456789abcdef")
ACCOUNT = "org_01ARZ3NDEKTSV4RRFFQ69G5FAV:live"
INSTANTS = st.integers(0, 2**48 - 1)
NAMES = st.text(min_size=1, max_size=128)


@given(INSTANTS, INSTANTS, NAMES, NAMES)
def test_ids_are_ordered_by_instant(earlier: int, later: int, one: str, other: str) -> None:
    earlier, later = sorted((earlier, later))
    if earlier != later:
        assert KEYS.ulid(ACCOUNT, one, earlier) < KEYS.ulid(ACCOUNT, other, later)
    assert instant_ms(KEYS.ulid(ACCOUNT, one, earlier)) == earlier


@given(INSTANTS, NAMES)
def test_the_first_id_of_a_millisecond_bounds_it_exactly(instant: int, name: str) -> None:
    ulid = KEYS.ulid(ACCOUNT, name, instant)

    assert lowest_ulid(instant) <= ulid
    assert ulid < lowest_ulid(instant + 1) or instant == 2**48 - 1
    assert instant_ms(lowest_ulid(instant)) == instant


@given(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70))
def test_bounds_keep_their_order_beyond_the_range_of_ids(one: int, other: int) -> None:
    lesser, greater = sorted((one, other))

    assert lowest_ulid(lesser) <= lowest_ulid(greater)
    assert lowest_ulid(-1) == lowest_ulid(0) == "0" * 26
    assert instant_ms(lowest_ulid(2**70)) == 2**48 - 1


@given(INSTANTS, INSTANTS, NAMES)
def test_the_key_of_a_turn_does_not_depend_on_its_instant(one: int, other: int, name: str) -> None:
    keys = {turn_key(KEYS.ulid(ACCOUNT, name, instant)) for instant in (one, other)}

    assert len(keys) == 1
    assert KEYS.ulid(ACCOUNT, name, one) == KEYS.ulid(ACCOUNT, name, one)


@pytest.mark.parametrize(
    "other",
    [
        (TurnKeys("another-id-key-0123456789abcdefghij"), ACCOUNT, "turn-1"),
        (KEYS, ACCOUNT.replace("live", "test"), "turn-1"),
        (KEYS, ACCOUNT.replace("FAV", "FAW"), "turn-1"),
        (KEYS, ACCOUNT, "turn-2"),
        (KEYS, ACCOUNT, "turn-1\0"),
        (KEYS, ACCOUNT + "t", "urn-1"),
    ],
)
def test_another_turn_account_or_secret_makes_another_key(
    other: tuple[TurnKeys, str, str],
) -> None:
    keys, account, name = other

    assert turn_key(keys.ulid(account, name, 5)) != turn_key(KEYS.ulid(ACCOUNT, "turn-1", 5))


def test_ten_thousand_turns_of_one_millisecond_have_ten_thousand_ids() -> None:
    assert len({KEYS.ulid(ACCOUNT, str(number), 7) for number in range(10_000)}) == 10_000


@given(INSTANTS, NAMES)
def test_an_id_is_accepted_in_its_exact_form_only(instant: int, name: str) -> None:
    ulid = KEYS.ulid(ACCOUNT, name, instant)

    assert re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", ulid)
    assert find_ulid(PREFIX + ulid) == ulid
    strange = (ulid, ulid.lower(), f"{PREFIX}{ulid}\n", f"{PREFIX}{ulid}0", PREFIX + ulid[1:])
    assert [find_ulid(text) for text in strange] == [None] * 5


@given(st.text(max_size=40))
def test_no_other_text_is_an_id(text: str) -> None:
    assert find_ulid(text) is None or text.startswith(PREFIX)
