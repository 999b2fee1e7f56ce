"""The tables of the pages name everything that there is, and nothing else."""

import re
from collections.abc import Iterator
from dataclasses import fields

import click
from flask import Flask

from config.settings import Settings
from tests.servers import ROOT

# Flask and its extensions bring these.
FOREIGN_COMMANDS = {"limiter", "openapi", "routes", "run", "shell"}


def cells(page: str, column: int) -> Iterator[str]:
    """Yield what stands in code in a column of a page's tables."""
    for line in (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines():
        found = line.replace("\\|", "").split("|")
        if len(found) > column + 1:
            yield from re.findall(r"`([^`]+)`", found[column])


def test_the_settings_page_names_every_variable() -> None:
    named = set(cells("configuration.md", 1))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    offered = set(re.findall(r"^#? ?([A-Z][A-Z_]+)=", example, re.MULTILINE))

    assert {field.name.upper() for field in fields(Settings)} <= named
    assert named == offered


def test_the_overview_of_the_api_names_every_route(memory_app: Flask) -> None:
    named = {cell for cell in cells("api/README.md", 1) if re.match("[A-Z]+ /", cell)}
    assert named == {route for route in routes_of(memory_app) if not is_of_console(route)}


def test_the_page_of_the_console_names_every_route_of_it(memory_app: Flask) -> None:
    named = {cell for cell in cells("operate/console.md", 1) if re.match("[A-Z]+ /", cell)}
    own = {route for route in routes_of(memory_app) if is_of_console(route)}
    twins = {route for route in own if route.endswith(".json")}
    assert named == own - twins - {"GET /console/{rest}"}
    assert {route.removesuffix(".json") for route in twins} <= named


def routes_of(app: Flask) -> set[str]:
    return {
        f"{method} {templated(rule.rule)}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def is_of_console(route: str) -> bool:
    return route.partition(" ")[2].startswith("/console")


def templated(rule: str) -> str:
    """Return Flask's rule as OpenAPI writes a path."""
    return re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule)


def test_the_page_of_errors_names_the_codes_and_no_others(memory_app: Flask) -> None:
    served = memory_app.test_client().get("/docs/errors").get_data(as_text=True)
    page = (ROOT / "docs" / "api" / "errors.md").read_text(encoding="utf-8")
    named = " ".join(re.findall(r"^\| \d{3} \| ([`\w, ]+)", page, re.MULTILINE))
    codes = set(re.findall(r'<tr role="row" id="(\w+)">', served))

    assert codes
    assert set(re.findall(r"\w+", named)) == codes


def test_the_page_of_commands_names_the_commands_and_no_others(memory_app: Flask) -> None:
    page = "\n".join(cells("operate/cli.md", 1))
    # The words before the first argument or option.
    named = set(re.findall(r"^(?:flask )?([a-z -]+?)(?: [A-Z-].*)?$", page, re.MULTILINE))
    own = {name for name in commands(memory_app.cli) if name.split()[0] not in FOREIGN_COMMANDS}
    assert named == own


def commands(group: click.Group, prefix: str = "") -> Iterator[str]:
    """Yield the words of each command below a group."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name
