"""The id of a request is found in a text as tickets have it."""

import pytest

from app.request_log.pasted import find_request_id

ID = "01M857WWT68H8HWGA8E1GFTHM9"
OTHER = "01M857WWT68H8HWGA8E1GFTHMA"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (ID, ID),
        (f"  {ID.lower()}\n", ID),
        (f"X-Request-Id: {ID}", ID),
        (f'"request_id":"{ID}"', ID),
        (f"{ID} ({ID.lower()})", ID),
        (f"{ID} {OTHER}", None),
        (f"int_{ID}", None),
        (f"{ID}0", None),
        ("8" + ID[1:], None),
        ("", None),
    ],
)
def test_the_only_id_of_a_text_is_found(text: str, found: str | None) -> None:
    assert find_request_id(text) == found
