"""Field errors one by one: the same as marshmallow's, and none is looked for in vain."""

from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from app.http import validation
from app.http.field_errors import field_errors
from app.http.fields import Integer, StrictSchema
from app.http.request_errors import InvalidFields
from app.http.rules import reasons_by_path
from app.interactions.schemas import TurnSchema
from tests.turns import whole
from tests.unit.http.test_accepting import BODIES, GOOD, MISSING, ODD, QUERIES, VALUES, paths_in
from tests.unit.http.test_accepting import changed as changed_at

pytestmark = pytest.mark.slow  # seconds of work

FAULTY_LISTS = (["joy", "No"], [1, None, "a b"], ["X"] * 8)


def by_marshmallow(schema: StrictSchema, value: Any) -> list[tuple[str, str]]:
    """Return path and code of each field error that marshmallow's own loop finds."""
    try:
        schema.load(value)
    except ValidationError as error:
        return sorted((path, reason.code) for path, reason in reasons_by_path(error.messages))
    return []


@settings(max_examples=300)
@given(st.data())
def test_the_same_errors_are_found_as_by_marshmallow(data: st.DataObject) -> None:
    assert_found_as_by_marshmallow(data)


@pytest.mark.long
@settings(max_examples=5_000)
@given(st.data())
def test_the_same_errors_are_found_in_many_cases(data: st.DataObject) -> None:
    assert_found_as_by_marshmallow(data)


def assert_found_as_by_marshmallow(data: st.DataObject) -> None:
    values = (*VALUES, *ODD, *FAULTY_LISTS)
    good, values = data.draw(st.sampled_from([(BODIES, values), (QUERIES, VALUES)]))
    schema, value = data.draw(st.sampled_from(good))
    for _ in range(data.draw(st.integers(1, 6))):
        path = data.draw(st.sampled_from(paths_in(value)))
        value = changed_at(value, path, data.draw(st.sampled_from([MISSING, *values])))

    found = sorted((path, reason.code) for path, reason in field_errors(schema, value))

    assert found == by_marshmallow(schema, value)


@pytest.mark.parametrize("value", [None, [], "text", 5, [{}], {f"field{n}": 1 for n in range(65)}])
def test_data_that_is_refused_as_a_whole_has_one_error(value: Any) -> None:
    for schema, _ in GOOD:
        found = [(path, reason.code) for path, reason in field_errors(schema, value)]
        assert found == by_marshmallow(schema, value)
        assert len(found) == 1


class Counting(Integer):
    """Counts how many values it has judged."""

    judged_count = 0

    def _take(self, value: Any) -> int:
        Counting.judged_count += 1
        return super()._take(value)


ManyFields = type("ManyFields", (StrictSchema,), {f"field{n}": Counting(0, 1) for n in range(60)})


def test_no_more_errors_are_looked_for_than_are_wanted() -> None:
    Counting.judged_count = 0

    found = list(islice(field_errors(ManyFields(), dict.fromkeys(ManyFields().fields, "x")), 3))

    assert len(found) == 3
    # Each is judged twice: whether it is good, and why not.
    assert Counting.judged_count == 6


@pytest.mark.parametrize(("wrong_count", "listed_count"), [(4, 4), (5, 5), (6, 6), (40, 6)])
def test_the_last_of_too_many_errors_says_that_there_are_more(
    wrong_count: int, listed_count: int
) -> None:
    value = whole() | {f"field{number}": 1 for number in range(wrong_count)}

    with pytest.raises(InvalidFields) as refused:
        validation.load(TurnSchema(), value, max_field_errors=5)

    details = refused.value.field_errors
    assert len(details) == listed_count
    expected = ["unknown"] * min(wrong_count, 5) + ["more"] * (wrong_count > 5)
    assert [wrong["code"] for wrong in details] == expected
