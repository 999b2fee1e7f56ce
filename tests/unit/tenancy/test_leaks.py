"""Keys are found in whatever text holds them; the text itself is not kept."""

import pytest

from app.tenancy import leaks
from app.tenancy.key_search import KeySearch
from app.tenancy.leaks import LeakSearch
from app.tenancy.model import ApiKey
from tests.servers import PEPPER
from tests.unit.tenancy.conftest import House
from tests.unit.tenancy.test_key_search import NEVER_ISSUED, with_beginning


@pytest.fixture
def search(house: House) -> LeakSearch:
    return LeakSearch(KeySearch(house.store, [PEPPER]))


@pytest.fixture
def leaked(house: House) -> tuple[ApiKey, str]:
    return house.key(house.tenant())


@pytest.mark.parametrize(
    "text",
    [
        "{token}",
        "+TURNLEDGER_KEY={token}\n-TURNLEDGER_KEY=\n",
        'Authorization: "Bearer {token}", retried',
        "{token}{token}",
        "see {id}, or {hint}",
        "https://ledger.example/?key={token}&x=1",
    ],
)
def test_a_key_is_found_in_any_text(
    search: LeakSearch, leaked: tuple[ApiKey, str], text: str
) -> None:
    key, token = leaked

    leak = search.find_all(text.format(token=token, id=key.id, hint=key.hint))

    assert (list(leak.certain), list(leak.possible_ids)) == ([key.id], [])
    assert not leak.unknown_hints


@pytest.mark.parametrize("cut", [1, 30, 40])
def test_a_part_of_a_key_names_the_keys_that_begin_so(
    search: LeakSearch, leaked: tuple[ApiKey, str], cut: int
) -> None:
    key, token = leaked

    leak = search.find_all(f"{token[:-cut]}\n{token[-cut:]}")

    assert (list(leak.certain), list(leak.possible_ids)) == ([], [key.id])


def test_characters_that_several_keys_begin_with_are_certain_for_none(
    house: House, search: LeakSearch
) -> None:
    keys = [with_beginning(house, f"Ab12{number}") for number in range(2)]

    leak = search.find_all("uniq_live_Ab12...")

    assert set(leak.possible_ids) == {key.id for key in keys}
    assert not leak.certain


def test_a_key_whose_text_is_whole_elsewhere_is_certain_only(
    search: LeakSearch, leaked: tuple[ApiKey, str]
) -> None:
    key, token = leaked

    leak = search.find_all(f"{token[:-9]} {token}")

    assert (list(leak.certain), list(leak.possible_ids)) == ([key.id], [])


def test_an_unknown_key_is_named_by_its_first_characters_only(search: LeakSearch) -> None:
    leak = search.find_all(f"{NEVER_ISSUED} and uniq_test_a")

    assert list(leak.unknown_hints) == ["uniq_live_qqqq...", "uniq_test_a..."]
    assert NEVER_ISSUED[:15] not in repr(leak)


@pytest.mark.parametrize("text", ["", "nothing here", "uniq_live_", "key_", "sk_live_12345"])
def test_a_text_without_keys_is_empty(search: LeakSearch, text: str) -> None:
    assert search.find_all(text).is_empty


def test_a_search_is_bounded(
    search: LeakSearch, leaked: tuple[ApiKey, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaks, "MOST_CANDIDATES", 2)

    assert not search.find_all("uniq_live_aaaa uniq_live_bbbb").has_more
    assert search.find_all("uniq_live_aaaa uniq_live_bbbb " + leaked[1]).has_more
