"""`flask --help` leads to the command of each question, and no line of it is cut."""

from collections.abc import Callable

import click
import pytest
from click.testing import Result
from flask import Flask

Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("asked", "group", "command"),
    [
        ("near", "quota", "top"),
        ("limited", "limits", "top"),
        ("raise", "org", "raise"),
        ("revoke", "key", "revoke"),
        ("X-Request-Id", "request", None),
        ("changed", "audit", "list"),
    ],
)
def test_the_help_of_a_group_has_the_word_of_the_question(
    memory_app: Flask, asked: str, group: str, command: str | None
) -> None:
    found = memory_app.cli.commands[group]
    assert asked in found.get_short_help_str(100)
    assert command is None or (isinstance(found, click.Group) and command in found.commands)


def test_no_line_of_a_list_of_commands_is_cut(memory_app: Flask, run: Run) -> None:
    groups = [
        name for name, each in memory_app.cli.commands.items() if isinstance(each, click.Group)
    ]
    for name in groups:
        shown = run(name, "--help").stdout
        _, _, commands = shown.partition("Commands:")
        assert commands
        assert "..." not in commands, shown


def test_a_limit_is_raised_where_limits_are_looked_at(run: Run) -> None:
    assert "`org raise`" in run("--help").stdout
