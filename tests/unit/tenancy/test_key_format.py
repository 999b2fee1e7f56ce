"""The format of keys: what our issuer makes is accepted, everything else is refused offline."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tenancy import key_format
from app.tenancy.key_format import ALPHABET, MalformedKey
from app.tenancy.model import Environment

# The pattern that the official client insists on.
CLIENT_PATTERN = re.compile(r"^uniq_(live|test)_[A-Za-z0-9]{8,}$")
PEPPER = "p" * 32
OTHER_PEPPER = "q" * 32
TOKEN = key_format.derive(Environment.LIVE, PEPPER, "org_1", "retry-1").token


@pytest.mark.parametrize("environment", list(Environment))
def test_a_generated_key_is_read_back_and_suits_the_official_client(
    environment: Environment,
) -> None:
    made = key_format.generate(environment)

    assert key_format.parse(made.token) == made
    assert CLIENT_PATTERN.match(made.token)
    assert len(made.token) == 56
    assert made.token.startswith(f"uniq_{environment}_{made.lookup}")


def test_generation_draws_every_character_from_the_random_source() -> None:
    made = key_format.generate(Environment.LIVE, lambda alphabet: alphabet[-1])

    assert made.lookup == "z" * 8
    assert made.token.startswith("uniq_live_" + "z" * 40)
    assert len({key_format.generate(Environment.LIVE).token for _ in range(100)}) == 100


@given(position=st.integers(0, len(TOKEN) - 1), character=st.characters())
def test_a_key_with_one_wrong_character_is_refused(position: int, character: str) -> None:
    typo = TOKEN[:position] + character + TOKEN[position + 1 :]

    if typo == TOKEN:
        assert key_format.parse(typo).token == TOKEN
    else:
        with pytest.raises(MalformedKey):
            key_format.parse(typo)


@given(st.integers(10, len(TOKEN) - 2).filter(lambda at: TOKEN[at] != TOKEN[at + 1]))
def test_a_key_with_two_neighbours_swapped_is_refused(position: int) -> None:
    pair = TOKEN[position : position + 2]
    swapped = TOKEN[:position] + pair[::-1] + TOKEN[position + 2 :]

    with pytest.raises(MalformedKey):
        key_format.parse(swapped)


@given(st.text(max_size=80) | st.from_regex(CLIENT_PATTERN, fullmatch=True))
def test_a_text_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(MalformedKey):
        key_format.parse(text)


@pytest.mark.parametrize("text", [TOKEN + "\n", TOKEN[:-1], TOKEN * 20_000, TOKEN.upper(), ""])
def test_the_right_key_in_the_wrong_length_or_case_is_refused(text: str) -> None:
    with pytest.raises(MalformedKey):
        key_format.parse(text)


def test_a_derived_key_is_the_same_again_and_differs_by_each_ingredient() -> None:
    made = key_format.derive(Environment.LIVE, PEPPER, "org_1", "retry-1")
    others = {
        key_format.derive(Environment.TEST, PEPPER, "org_1", "retry-1").token,
        key_format.derive(Environment.LIVE, OTHER_PEPPER, "org_1", "retry-1").token,
        key_format.derive(Environment.LIVE, PEPPER, "org_2", "retry-1").token,
        key_format.derive(Environment.LIVE, PEPPER, "org_1", "retry-2").token,
    }

    assert made.token == TOKEN
    assert key_format.parse(made.token) == made
    assert len(others | {TOKEN}) == 5


def test_derived_characters_are_spread_evenly() -> None:
    counts = Counter(
        character
        for number in range(2_000)
        for character in key_format.derive(Environment.LIVE, PEPPER, str(number)).token[10:50]
    )

    expected = 2_000 * 40 / len(ALPHABET)
    chi_squared = sum((counts[character] - expected) ** 2 / expected for character in ALPHABET)
    assert chi_squared < 110  # 61 degrees of freedom: p < 0.0002


def test_a_digest_fits_only_its_key_and_its_pepper() -> None:
    stored = key_format.digest(TOKEN, PEPPER)
    other = key_format.generate(Environment.LIVE).token

    assert re.fullmatch("[0-9a-f]{64}", stored)
    assert key_format.matches(TOKEN, stored, [PEPPER])
    assert key_format.matches(TOKEN, stored, [OTHER_PEPPER, PEPPER])
    assert not key_format.matches(TOKEN, stored, [OTHER_PEPPER])
    assert not key_format.matches(other, stored, [PEPPER])


def test_listings_show_the_beginning_only_and_reprs_show_nothing() -> None:
    parsed = key_format.parse(TOKEN)

    assert key_format.display(TOKEN) == f"{TOKEN[:14]}..."
    assert TOKEN not in repr(parsed)


def test_keys_in_a_text_are_cut_to_their_hints() -> None:
    token = key_format.generate(Environment.LIVE, lambda _: "q").token

    assert key_format.redact(f"({token}), {token[:15]}. uniq_test_Ab12... uniq_live_") == (
        "(uniq_live_qqqq...), uniq_live_qqqq.... uniq_test_Ab12... uniq_live_"
    )
