"""Cursors: every changed cursor is refused."""

import base64
import hashlib
import string
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer
from itsdangerous.encoding import base64_decode, base64_encode

from app.http.cursors import SignedCursors
from app.http.request_errors import CursorRefused
from app.interactions.cursor import Cursor, Cursors
from app.interactions.model import Filters

SECRET = "cursor-secret-of-the-tests-0123456789"
OTHER = "another-cursor-secret-0123456789abcdef"
ACCOUNT = "org_01ARZ3NDEKTSV4RRFFQ69G5FAV:live"
NOW_US = 1_763_892_000_123_456
DAY_US = 86_400_000_000
SALT = "turnledger.interactions.cursor"
CURSOR = Cursor("01ARZ3NDEKTSV4RRFFQ69G5FAV", NOW_US - 5)
FILTERS = Filters(user_id="u_1", from_ms=1, to_ms=None)
ALPHABET = string.ascii_letters + string.digits + "-_."
CURSORS = Cursors((SECRET,))
TEXT = CURSORS.write(CURSOR, ACCOUNT, FILTERS, NOW_US)


# As every release since version 2 writes it. Another text here would refuse all live cursors.
WRITTEN = (
    "WzIsIjRmNWVhMDA5MDllYjQ3OTMiLCIwMUFSWjNOREVLVFNWNFJSRkZRNjlHNUZBViIsMTc2Mzg5MjAwMDEyMzQ1MSwx"
    "NzYzODkyMDAwMTIzNDU2XQ.1e6MMOrbM63YB9NeMTMPHBx2TwH3ZrVo93BZR3HIYwQ"
)


def is_refused(
    text: str, *, account: str = ACCOUNT, filters: Filters = FILTERS, now_us: int = NOW_US
) -> bool:
    try:
        CURSORS.read(text, account, filters, now_us)
    except CursorRefused:
        return True
    return False


def test_the_text_of_a_cursor_is_the_same_in_every_release() -> None:
    assert TEXT == WRITTEN


def test_a_written_cursor_is_read() -> None:
    assert CURSORS.read(TEXT, ACCOUNT, FILTERS, NOW_US) == CURSOR
    assert set(TEXT) <= set(ALPHABET)
    assert len(TEXT) < 250


@pytest.mark.parametrize("position", range(len(TEXT)))
def test_a_cursor_with_a_character_changed_inserted_or_removed_is_refused(position: int) -> None:
    changed = [
        TEXT[:position] + new + TEXT[position + 1 :] for new in ALPHABET if new != TEXT[position]
    ]
    inserted = [TEXT[:position] + new + TEXT[position:] for new in ALPHABET]

    forged = [
        *changed,
        *inserted,
        TEXT[:position] + TEXT[position + 1 :],
        TEXT[:position],
        TEXT[position:] * 2,
    ]

    assert TEXT not in forged
    assert [text for text in forged if not is_refused(text)] == []


def test_a_cursor_with_a_character_before_or_after_it_is_refused() -> None:
    assert [end for end in ALPHABET + "=\n " if not is_refused(TEXT + end)] == []
    assert [end for end in ALPHABET + "=\n " if not is_refused(end + TEXT)] == []


@given(st.text(max_size=300))
def test_no_text_is_a_cursor_by_chance(text: str) -> None:
    assert is_refused(text)


@given(st.lists(st.tuples(st.integers(0, len(TEXT) - 1), st.sampled_from(ALPHABET)), min_size=1))
def test_no_set_of_changes_is_accepted(changes: list[tuple[int, str]]) -> None:
    forged = list(TEXT)
    for position, new in changes:
        forged[position] = new

    assert "".join(forged) == TEXT or is_refused("".join(forged))


@given(st.binary(max_size=200))
def test_no_payload_is_accepted_under_the_signature_of_another(payload: bytes) -> None:
    signature = TEXT.rpartition(".")[2]
    text = base64.urlsafe_b64encode(payload).rstrip(b"=").decode()

    assert is_refused(f"{text}.{signature}")


STATES = [
    None,
    [],
    {},
    "text",
    7,
    [1],
    [1, 2, 3, 4, 5, 6],
    [1, "x", "01ARZ3NDEKTSV4RRFFQ69G5FAV", NOW_US, NOW_US],
    [2, "0" * 16, "01ARZ3NDEKTSV4RRFFQ69G5FAV", NOW_US, NOW_US],
]


def signed(state: object, salt: str = SALT) -> str:
    signer = Signer(SECRET, salt=salt, digest_method=hashlib.sha256)
    return signer.sign(base64_encode(orjson.dumps(state))).decode()


def test_only_its_own_state_and_purpose_make_a_cursor() -> None:
    state = orjson.loads(base64_decode(TEXT.partition(".")[0]))

    assert signed(state) == TEXT
    assert is_refused(signed(state, salt="another purpose"))


@pytest.mark.parametrize("state", STATES, ids=repr)
def test_a_signed_state_of_another_form_is_refused(state: object) -> None:
    assert is_refused(signed(state))


def test_a_signed_text_that_is_no_state_is_refused() -> None:
    signer = Signer(SECRET, salt=SALT, digest_method=hashlib.sha256)

    assert is_refused(signer.sign(base64_encode(b"[1,")).decode())
    assert is_refused(signer.sign("A").decode())


OTHER_FILTERS = [
    Filters(),
    Filters(user_id="u_2", from_ms=1),
    Filters(relationship_id="u_1", from_ms=1),
    Filters(user_id="u_1", relationship_id="u_1", from_ms=1),
    Filters(user_id="u_1", from_ms=2),
    Filters(user_id="u_1"),
    Filters(user_id="u_1", to_ms=1),
    Filters(user_id="u_1", from_ms=1, to_ms=1),
    Filters(user_id="u_1", from_ms=1, status="failed"),
    Filters(user_id="u_1", from_ms=1, mode="stateful"),
    Filters(user_id="u_1", from_ms=1, llm_model="u_1"),
    Filters(user_id="u_1", from_ms=1, turn_id="u_1"),
]


@pytest.mark.parametrize("filters", OTHER_FILTERS, ids=repr)
def test_other_filters_are_refused(filters: Filters) -> None:
    assert is_refused(TEXT, filters=filters)


# Each with another value, or under another name, than the next.
LATER_FILTERS = [
    Filters(status="failed"),
    Filters(status="completed"),
    Filters(mode="stateful"),
    Filters(llm_model="failed"),
    Filters(turn_id="failed"),
    Filters(status="failed", mode="stateful"),
    Filters(status="failed", llm_model="stateful"),
    Filters(user_id="u_1", status="failed"),
]


@pytest.mark.parametrize("filters", LATER_FILTERS, ids=repr)
def test_a_cursor_is_bound_to_each_filter_that_later_releases_added(filters: Filters) -> None:
    text = CURSORS.write(CURSOR, ACCOUNT, filters, NOW_US)

    assert CURSORS.read(text, ACCOUNT, filters, NOW_US) == CURSOR
    others = [Filters(), FILTERS, *(other for other in LATER_FILTERS if other != filters)]
    assert [other for other in others if not is_refused(text, filters=other)] == []


# The binding of the release that had four filters, as it computed it.
FOUR_FILTERS = [
    (None, None, None, None),
    ("u_1", None, None, None),
    (None, "r_1", 5, None),
    ("u_1", "r_1", 5, 6),
]


def earlier_release() -> SignedCursors:
    return SignedCursors((SECRET,), SALT, version=2, position_count=2)


@pytest.mark.parametrize("asked", FOUR_FILTERS)
def test_a_cursor_of_the_release_with_four_filters_is_read(asked: tuple[Any, ...]) -> None:
    position = [CURSOR.last_ulid, CURSOR.listing_started_us]
    text = earlier_release().write([ACCOUNT, *asked], position, NOW_US)

    assert CURSORS.read(text, ACCOUNT, Filters(*asked), NOW_US) == CURSOR


@pytest.mark.parametrize("filters", LATER_FILTERS, ids=repr)
def test_the_release_with_four_filters_refuses_a_cursor_of_another_filter(filters: Filters) -> None:
    text = CURSORS.write(CURSOR, ACCOUNT, filters, NOW_US)

    for asked in [*FOUR_FILTERS, (filters.user_id, None, None, None)]:
        with pytest.raises(CursorRefused, match="other filters"):
            earlier_release().read(text, [ACCOUNT, *asked], NOW_US)


@pytest.mark.parametrize(
    "account", [ACCOUNT.replace("live", "test"), ACCOUNT.replace("FAV", "FAW"), ""]
)
def test_another_account_is_refused(account: str) -> None:
    assert is_refused(TEXT, account=account)


@pytest.mark.parametrize(
    ("age_us", "refused"), [(0, False), (DAY_US, False), (DAY_US + 1, True), (-5, False)]
)
def test_a_cursor_is_valid_for_24_hours_to_the_microsecond(age_us: int, *, refused: bool) -> None:
    assert is_refused(TEXT, now_us=NOW_US + age_us) is refused


def test_the_first_secret_signs_and_all_verify() -> None:
    rotating, rotated = Cursors((OTHER, SECRET)), Cursors((OTHER,))
    new = rotating.write(CURSOR, ACCOUNT, FILTERS, NOW_US)

    assert rotating.read(TEXT, ACCOUNT, FILTERS, NOW_US) == CURSOR
    assert rotated.read(new, ACCOUNT, FILTERS, NOW_US) == CURSOR
    assert is_refused(new)
    with pytest.raises(CursorRefused, match="damaged"):
        rotated.read(TEXT, ACCOUNT, FILTERS, NOW_US)


@given(
    st.integers(0, 2**53),
    st.text(alphabet="0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=26, max_size=26),
    st.integers(0, 2**53),
)
def test_every_cursor_is_read_as_it_was_written(
    now_us: int, ulid: str, listing_started_us: int
) -> None:
    cursor = Cursor(ulid, listing_started_us)

    text = CURSORS.write(cursor, ACCOUNT, FILTERS, now_us)

    assert CURSORS.read(text, ACCOUNT, FILTERS, now_us) == cursor
