"""A filter that a page does not know is refused: the page would show what is not meant."""

import pytest

from app.http.problems import CODES
from tests.console.operator import Operator


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/console/keys", "state"),
        ("/console/keys", "environment"),
        ("/console/audit", "action"),
        ("/console/audit", "kind"),
        ("/console/organizations", "order"),
    ],
)
def test_an_unknown_filter_is_refused_by_name(own_operator: Operator, path: str, name: str) -> None:
    answer = own_operator.get(f"{path}?{name}=odd")
    assert (answer.status_code, answer.mimetype) == (CODES["validation_error"].status, "text/html")
    (error,) = own_operator.get(f"{path}.json?{name}=odd").get_json()["error"]["details"]
    assert (error["field"], error["code"], "odd" in error["allowed"]) == (
        name,
        "not_allowed",
        False,
    )


@pytest.mark.parametrize("path", ["/console/keys", "/console/audit"])
def test_all_does_not_filter(own_operator: Operator, path: str) -> None:
    names = ("environment", "state") if path == "/console/keys" else ("action", "kind")
    found = own_operator.data(f"{path}.json?{'&'.join(f'{name}=all' for name in names)}")
    assert {found["filter"][name] for name in names} == {"all"}
