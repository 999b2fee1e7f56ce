"""The checks of a refused request follow from its code, and only what is sure is shown."""

from dataclasses import replace

import pytest

from app.console.request_checks import list_checks
from app.console.request_steps import list_steps
from app.http.problems import CODES
from app.request_log.model import RefusedRequest
from tests.contract.request_log.test_store import ENTRY

OF_KEY = replace(ENTRY, organization_id="org_1", key_id="key_1")
WITHOUT_KEY = replace(ENTRY, organization_id=None, key_id=None)


def outcomes(request: RefusedRequest) -> dict[str, str]:
    return {each["step"]: each["state"] for each in list_checks(request)}


@pytest.mark.parametrize(
    ("code", "refusing"),
    [
        ("payment_required", "Organization"),
        ("permission_denied", "Scope"),
        ("rate_limit_exceeded", "Rate"),
        ("quota_exhausted", "Quota"),
    ],
)
def test_checks_before_the_refusal_passed_and_later_ones_were_not_reached(
    code: str, refusing: str
) -> None:
    found = outcomes(replace(OF_KEY, error_code=code))
    steps = list(found)
    at = steps.index(refusing)

    assert steps == ["Key", "Organization", "Scope", "Rate", "Quota"]
    assert [found[step] for step in steps] == ["ok"] * at + ["refused"] + ["skipped"] * (4 - at)


@pytest.mark.parametrize("code", ["validation_error", "conflict", "not_found"])
def test_a_route_refuses_after_the_checks_of_the_key(code: str) -> None:
    assert outcomes(replace(OF_KEY, error_code=code)) == {
        "Key": "ok",
        "Organization": "ok",
        "Scope": "ok",
        "Request": "refused",
    }


@pytest.mark.parametrize("code", ["authentication_error", "invalid_token", "token_expired"])
def test_a_wrong_key_is_the_first_check(code: str) -> None:
    found = list(outcomes(replace(WITHOUT_KEY, error_code=code)).items())

    assert found[0] == ("Key", "refused")
    assert {state for _, state in found[1:]} == {"skipped"}


def test_an_address_is_limited_before_its_key_is_read() -> None:
    found = list(outcomes(replace(WITHOUT_KEY, error_code="rate_limit_exceeded")).items())

    assert found[0] == ("Address", "refused")


@pytest.mark.parametrize("code", ["internal_error", "service_unavailable", None, "future_code"])
@pytest.mark.parametrize("request_", [OF_KEY, WITHOUT_KEY])
def test_what_is_not_sure_is_not_shown(request_: RefusedRequest, code: str | None) -> None:
    assert list_checks(replace(request_, error_code=code)) == []


@pytest.mark.parametrize("code", CODES)
def test_steps_name_the_ids_of_the_request_or_none(code: str) -> None:
    of_key = list_steps(replace(OF_KEY, error_code=code))
    without = list_steps(replace(WITHOUT_KEY, error_code=code))

    assert len(without) <= len(of_key)
    for step in [*of_key, *without]:
        assert "{" not in f"{step['page']}{step['command']}"


def test_a_spent_quota_is_raised_by_a_command() -> None:
    commands = [
        step["command"] for step in list_steps(replace(OF_KEY, error_code="quota_exhausted"))
    ]

    assert "flask org raise org_1 --turns N" in commands
