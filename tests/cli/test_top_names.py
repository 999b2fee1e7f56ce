"""The tables of `quota top` and `limits top` name organizations as commands take them."""

from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask

from app.http.application import provided
from app.tenancy.model import Organization
from app.tenancy.service import Organizations
from tests.background import flush_background
from tests.callers import Clock, new_caller
from tests.turns import body

Run = Callable[..., Result]
TOP = ("quota", "limits")


@pytest.fixture
def busy(memory_app: Flask) -> Callable[[str], Organization]:
    """A function that makes an organization which has used turns and tokens.

    No time passes, so that its bucket stays below full.
    """
    Clock(memory_app)

    def make(name: str) -> Organization:
        with memory_app.app_context():
            made = provided(Organizations).create(name, "free")
        caller = new_caller(memory_app, of=made)
        assert caller.record(body()).status_code == 201
        flush_background(memory_app)
        return made

    return make


@pytest.mark.parametrize("group", TOP)
def test_a_name_is_shown_and_taken(
    run: Run, busy: Callable[[str], Organization], group: str
) -> None:
    made = busy("Brook Tutoring")

    shown = run(group, "top").stdout

    assert "Brook Tutoring" in shown
    assert made.id not in shown
    assert run("org", "show", "Brook Tutoring").exit_code == 0


@pytest.mark.parametrize("group", TOP)
def test_an_id_replaces_a_name_that_is_not_enough(
    run: Run, busy: Callable[[str], Organization], group: str
) -> None:
    made = [busy(name) for name in ("Acme", "Acme", "A" * 31, "org_of_lawyers")]
    shown = run(group, "top").stdout
    assert all(each.id in shown for each in made), shown


@pytest.mark.parametrize("group", TOP)
def test_an_id_replaces_the_name_of_an_organization_that_is_not_listed_too(
    run: Run, memory_app: Flask, busy: Callable[[str], Organization], group: str
) -> None:
    made = busy("Acme")
    with memory_app.app_context():
        provided(Organizations).create("Acme", "free")
    assert made.id in run(group, "top").stdout
