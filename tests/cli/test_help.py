"""`flask --help` lists the commands of Turnledger alone."""

import re
import tomllib

from click.testing import CliRunner
from flask.cli import FlaskGroup

from app import create_app
from app.backends import memory
from tests.servers import ROOT, settings_for

OURS = [
    *("archive", "audit", "db", "doctor", "key", "limits", "org", "quota", "request", "turns"),
    "worker",
]


def flask() -> FlaskGroup:
    """Return the command `flask` as a user starts it."""
    return FlaskGroup(
        create_app=lambda: create_app(settings_for(), memory.connect()), load_dotenv=False
    )


def test_only_our_commands_are_listed() -> None:
    shown = CliRunner().invoke(flask(), ["--help"])

    assert shown.exit_code == 0, shown.output
    _, _, commands = shown.stdout.partition("Commands:\n")
    assert re.findall(r"^  (\w+)", commands, re.MULTILINE) == OURS


def test_the_commands_of_flask_still_work() -> None:
    shown = CliRunner().invoke(flask(), ["routes"])

    assert shown.exit_code == 0, shown.output
    assert "/healthz" in shown.stdout


def test_the_help_for_a_new_organization_names_every_plan_of_the_catalogue() -> None:
    plans = tomllib.loads((ROOT / "config" / "plans.toml").read_text(encoding="utf-8"))

    shown = CliRunner().invoke(flask(), ["org", "create", "--help"])

    assert shown.exit_code == 0, shown.output
    assert len(plans) >= 4
    assert plans.keys() <= set(re.findall(r"\w+", shown.stdout))
