"""Odd values in queries, paths and forms of pages: a page or a 4xx, never a 500."""

from urllib.parse import quote, urlencode

import pytest

from app.tenancy.service import Organizations
from tests.callers import new_caller
from tests.console.operator import Operator, visitor

pytestmark = pytest.mark.slow  # seconds of work

FIELDS = {
    "/console": ("range", "over", "refresh"),
    "/console/organizations": ("q", "page", "order", "environment"),
    "/console/keys": ("q", "before", "state", "revoke", "maybe", "unknown", "rotate"),
    "/console/requests": ("id",),
    "/console/audit": ("object", "action", "kind", "author", "from", "to", "before"),
    "/console/find": ("q",),
    "/console/login": ("next",),
}
MARKUP = "\"'><script>alert(1)</script>"
VALUES = (
    *("", "0", "-1", "1e9", "1_000", "NaN", "٣", "²", "１"),
    *("9" * 5_000, "000000001" + "9" * 40, "000000001" + "9" * 5_000),
    *("0001-01-01", "9999-12-31", "2026-02-30", "99999-01-01"),
    *("org_", "key_", "int_" + "Z" * 26, "uniq_live_" + "a" * 60, "aud_" + "Z" * 26),
    *("7" + "Z" * 25, "8" + "Z" * 25, "ſ" * 26, "x" * 3_000),
    *(MARKUP, "\x00", "\x1b[31m", "\udcff", "\u202e", "a\r\nb: c", '{"$gt":""}', ".."),
)


@pytest.mark.parametrize("page", FIELDS)
def test_an_odd_query_is_a_page_or_a_4xx(own_operator: Operator, page: str) -> None:
    for name in FIELDS[page]:
        for value in VALUES:
            answer = own_operator.get(f"{page}?{name}={_quoted(value)}")
            assert answer.status_code < 500, (name, value[:20])
            assert "<script" not in answer.text
            assert len(answer.headers.get("Location", "").splitlines()) <= 1


@pytest.mark.parametrize("rest", ["", "/change", "/suspend", "/resume", ".json"])
def test_an_odd_id_of_an_organization_is_a_page_or_a_4xx(own_operator: Operator, rest: str) -> None:
    for value in VALUES:
        answer = own_operator.get(f"/console/organizations/{_quoted(value)}{rest}")
        assert answer.status_code < 500, value[:20]
        assert "<script" not in answer.text


FEW = ("9" * 5_000, "٣", "0001-01-01", MARKUP, "\x00a\r\nb: c")
LIMITS = ("turns", "active_relationships", "uncharged_turns", "requests_per_second", "burst")
CHANGES = (*LIMITS, "plan", "own", "overage_policy", "until", "version", "reason")


@pytest.mark.parametrize("name", CHANGES)
def test_an_odd_change_is_a_page_or_a_4xx(own_operator: Operator, name: str) -> None:
    caller = new_caller(own_operator.app)
    path = f"/console/organizations/{caller.organization.id}/change"
    for value in FEW:
        others = {"turns": "5"} if name in ("until", "version", "reason") else {}
        for page in (path, f"{path}.json"):
            query = urlencode({**others, name: _encoded(value)})
            assert own_operator.get(f"{page}?{query}").status_code < 500, value[:20]
        answer = own_operator.post(path, **others, **{name: value})
        assert answer.status_code < 500, value[:20]
        assert "<script" not in answer.text


@pytest.mark.parametrize("form", ["leak", "revoke", "create", "rotate", "other"])
def test_an_odd_form_of_keys_is_a_page_or_a_4xx(own_operator: Operator, form: str) -> None:
    caller = new_caller(own_operator.app)
    names = ("text", "key_id", "organization", "environment", "scope", "label", "expires")
    names += ("form_id", "reason", "rotate", "overlap", "opened_at")
    right = {"organization": caller.organization.id, "environment": "live", "scope": "read"}
    right |= {"rotate": caller.key_id, "overlap": "0", "key_id": caller.key_id, "reason": "x"}
    right["opened_at"] = "2026-11-30T00:00:00.000Z"
    for name in names:
        for value in FEW:
            fields = {**right, name: value, "form": form}
            answer = own_operator.post("/console/keys", **fields)
            assert answer.status_code < 500, (name, value[:20])
            assert "<script" not in answer.text


@pytest.mark.parametrize("page", ["0000000000000001", "1000000", "9" * 5_000, "0"])
def test_a_page_number_is_bounded(own_operator: Operator, page: str) -> None:
    answer = own_operator.get(f"/console/organizations.json?page={page}")
    assert answer.status_code == 400
    assert answer.get_json()["error"]["details"][0]["field"] == "page"


def test_a_range_of_the_trail_may_begin_before_all_entries(own_operator: Operator) -> None:
    organization = new_caller(own_operator.app).organization
    data = own_operator.data(f"/console/audit.json?object={organization.id}&from=0001-01-01")
    assert data["problems"] == {}
    assert data["list"]["total_count"] >= 1


@pytest.mark.parametrize("step", ["suspend", "resume"])
def test_a_get_of_a_form_changes_nothing(own_operator: Operator, step: str) -> None:
    organization = new_caller(own_operator.app).organization
    path = f"/console/organizations/{organization.id}"
    before = own_operator.data(f"{path}.json")["organization"]
    for method in (own_operator.client.get, own_operator.client.head):
        answer = method(f"{path}/{step}?reason=x&name={quote(organization.name)}")
        assert (answer.status_code, answer.headers["Location"]) == (303, path)
    assert own_operator.data(f"{path}.json")["organization"] == before


def test_a_suspension_that_somebody_else_has_just_made_is_a_409(
    own_operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization = new_caller(own_operator.app).organization
    find = Organizations._find

    def find_before_another(organizations: Organizations, organization_id: str) -> object:
        found = find(organizations, organization_id)
        monkeypatch.setattr(Organizations, "_find", find)
        organizations.suspend(organization_id)
        return found

    fields = {"reason": "unpaid", "name": organization.name}
    read = Organizations.get_any

    def read_first(organizations: Organizations, organization_id: str) -> object:
        monkeypatch.setattr(Organizations, "_find", find_before_another)
        monkeypatch.setattr(Organizations, "get_any", read)
        return organizations._read(find(organizations, organization_id))

    monkeypatch.setattr(Organizations, "get_any", read_first)
    answer = own_operator.post(f"/console/organizations/{organization.id}/suspend", **fields)
    assert answer.status_code == 409
    assert "changed by somebody else" in answer.text


def test_a_log_in_survives_odd_bytes(own_operator: Operator) -> None:
    browser = visitor(own_operator.app)
    for value in (b"\xff\xfe", b"\x00", "ü".encode(), b"x" * 30_000):
        body = b"csrf_token=%s&name=%s&token=%s" % (browser.csrf_token.encode(), value, value)
        answer = browser.client.post(
            "/console/login", data=body, content_type="application/x-www-form-urlencoded"
        )
        assert answer.status_code == 403


def test_a_log_in_keeps_no_whole_key_in_the_address(own_operator: Operator) -> None:
    key = new_caller(own_operator.app).token
    answer = own_operator.app.test_client().get(f"/console/find?q={key}")
    location = answer.headers["Location"]
    assert (key in location, key[:14] in location) == (False, True)


def _quoted(value: str) -> str:
    return quote(_encoded(value), safe="")


def _encoded(value: str) -> bytes:
    return value.encode(errors="surrogateescape")
