"""`flask org`, as an operator types it."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from app import create_app
from app.backends.connect import connect
from config.settings import BackendKind
from tests.cli.conftest import Run
from tests.servers import settings_for

Answer = Callable[..., Any]


def test_a_created_organization_is_shown_and_listed(answer: Answer) -> None:
    made = answer("org", "create", "Café Zürich", "--plan", "enterprise")

    assert made["id"].startswith("org_")
    assert (made["name"], made["plan"], made["is_suspended"]) == (
        "Café Zürich",
        "enterprise",
        False,
    )
    assert made["limits"] == {
        "requests_per_second": 500,
        "burst": 1_000,
        "turns": None,
        "active_relationships": None,
        "overage_policy": "block",
        "uncharged_turns": 1_000_000,
    }
    assert answer("org", "show", made["id"]) == made
    assert answer("org", "list") == [made]


def test_the_plan_is_free_unless_another_is_named(answer: Answer) -> None:
    assert answer("org", "create", "Acme")["plan"] == "free"


def test_tables_show_whole_ids_and_limits_for_people(run: Run, organization_id: str) -> None:
    listed, shown = run("org", "list"), run("org", "show", organization_id)

    for result in (listed, shown):
        assert result.exit_code == 0
        assert organization_id in result.stdout
        assert "50,000" in result.stdout
    assert len(listed.stdout.strip().splitlines()) == 3


def test_an_empty_list_says_so(run: Run, answer: Answer) -> None:
    assert run("org", "list").stdout == "Nothing there yet.\n"
    assert answer("org", "list") == []


def test_a_name_is_never_taken_for_markup(run: Run) -> None:
    run("org", "create", "[red]Acme[/red]")

    assert "[red]Acme[/red]" in run("org", "list").stdout


def test_own_ceilings_are_set_and_reset_with_the_next_plan(
    answer: Answer, organization_id: str
) -> None:
    ceilings = "--requests-per-second 7 --turns 9 --active-relationships unlimited --overage allow"
    ceilings += " --uncharged-turns 4"
    own = answer("org", "set-plan", organization_id, "scale", *ceilings.split())

    assert own["limits"] == {
        "requests_per_second": 7,
        "burst": 14,
        "turns": 9,
        "active_relationships": None,
        "overage_policy": "allow",
        "uncharged_turns": 4,
    }
    assert answer("org", "show", organization_id) == own
    plain = answer("org", "set-plan", organization_id, "scale", "--reset-limits")
    assert (plain["limits"]["burst"], plain["overrides"]) == (200, {})


def test_burst_can_be_set_with_the_rate(answer: Answer, organization_id: str) -> None:
    ceilings = ("--requests-per-second", "7", "--burst", "1")

    limits = answer("org", "set-plan", organization_id, "free", *ceilings)["limits"]

    assert (limits["requests_per_second"], limits["burst"]) == (7, 1)


def test_a_suspension_is_set_and_ended(answer: Answer, organization_id: str) -> None:
    assert answer("org", "suspend", organization_id)["is_suspended"]
    assert answer("org", "show", organization_id)["is_suspended"]
    assert not answer("org", "resume", organization_id)["is_suspended"]


@pytest.mark.parametrize(
    "words",
    [
        ("org", "show", "org_absent"),
        ("org", "set-plan", "org_absent", "free"),
        ("org", "suspend", "org_absent"),
        ("org", "resume", "org_absent"),
    ],
)
def test_an_unknown_organization_is_one_line_with_the_next_step(
    run: Run, words: tuple[str, ...]
) -> None:
    result = run(*words)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "org_absent" in result.stderr
    assert "flask org list" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_unknown_plan_is_one_line_with_the_known_ones(run: Run, organization_id: str) -> None:
    for words in (("create", "Acme", "--plan", "gold"), ("set-plan", organization_id, "gold")):
        result = run("org", *words)

        assert (result.exit_code, result.stdout) == (1, "")
        assert "free, pro, scale, enterprise" in result.stderr
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "option",
    [
        ("--burst", "0"),
        ("--requests-per-second", "0"),
        ("--requests-per-second", "unlimited"),
        ("--turns", "many"),
        ("--turns", "-1"),
        ("--turns", "²"),
        ("--active-relationships", "1.5"),
        ("--overage", "maybe"),
    ],
)
def test_an_impossible_ceiling_is_a_usage_error_that_names_the_option(
    run: Run, organization_id: str, option: tuple[str, str]
) -> None:
    result = run("org", "set-plan", organization_id, "free", *option)

    assert result.exit_code == 2
    assert option[0] in result.stderr


def test_a_ceiling_beyond_all_measure_is_refused_by_name(run: Run, organization_id: str) -> None:
    result = run("org", "set-plan", organization_id, "free", "--turns", "9" * 30)

    assert result.exit_code == 1
    assert "turns must be a whole number" in result.stderr


def test_a_store_that_is_down_is_one_line_with_the_next_step() -> None:
    nowhere = settings_for(
        backend=BackendKind.LIVE,
        mongodb_uri="mongodb://127.0.0.1:1/turnledger",
        redis_url="redis://127.0.0.1:1/0",
        mongodb_timeout_ms=500,
    )

    with closing(connect(nowhere)) as backend:
        result = create_app(nowhere, backend).test_cli_runner().invoke(args=["org", "list"])

    assert result.exit_code == 1
    assert "MONGODB_URI" in result.stderr
    assert len(result.stderr.splitlines()) == 1
