"""Shells complete the words of `flask`, without settings and stores."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from flask.cli import FlaskGroup

from app import create_command_app
from tests.servers import ROOT

PAGE = ROOT / "docs" / "operate" / "cli.md"
BIN = Path(sys.executable).parent
BARE = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": "/nowhere", "FLASK_SKIP_DOTENV": "1"}
# As bash calls it when the Tab key is pressed at the end of the words.
PRESS_TAB = """
COMPREPLY=()
COMP_WORDS=({words})
COMP_CWORD=$(({count} - 1))
_flask_completion flask
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
# The completion of bash runs in bash.
OTHER_SHELLS = ["zsh", "fish"]


def line_of(shell: str) -> str:
    """Return the line that the page gives for a shell."""
    (row,) = [row for row in PAGE.read_text().splitlines() if row.startswith(f"| {shell}")]
    return row.split(" | ")[-1].removesuffix(" |").strip("`").replace("\\|", "|")


def in_shell(script: str, **environ: str) -> str:
    ended = subprocess.run(
        ["/bin/bash", "--norc", "-c", script],
        cwd=ROOT,
        env=BARE | environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.returncode == 0
    return ended.stdout


def pressed(*words: str) -> str:
    """Return the lines that press Tab in bash. The last word is incomplete; words keep quotes."""
    return PRESS_TAB.format(words=shlex.join(["flask", *words]), count=1 + len(words))


@pytest.mark.slow
def test_bash_completes_our_commands_and_their_values() -> None:
    quoted = pressed("org", "raise", "'Acme Inc'", "--unt")
    script = f"{line_of('bash')}\n{pressed('--app', 'wsgi', '')}\nexport FLASK_APP=wsgi\n{quoted}"
    assert in_shell(script).split() == [
        *("archive", "audit", "db", "doctor", "key", "limits", "org", "quota", "request"),
        *("turns", "worker"),
        "--until",
    ]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["quota", "t"], ["top"]),
        (["quota", "top", "--ov"], ["--over"]),
        (["key", "create", "org_1", "--scope", "read_"], ["read_write"]),
        (["org", "show", "org_"], []),
    ],
)
def test_commands_options_and_values_are_completed(words: list[str], offered: list[str]) -> None:
    *typed, incomplete = words
    group = FlaskGroup(create_app=create_command_app)
    shell = ShellComplete(group, {}, "flask", "_FLASK_COMPLETE")
    assert [found.value for found in shell.get_completions(typed, incomplete)] == offered


@pytest.mark.slow
@pytest.mark.parametrize("shell", OTHER_SHELLS)
def test_the_line_of_each_other_shell_defines_its_completion(shell: str) -> None:
    source = f"_FLASK_COMPLETE={shell}_source flask"
    assert source in line_of(shell)
    assert f"_FLASK_COMPLETE={shell}_complete" in in_shell(source)
    # fish gives the incomplete word, the others its number.
    keys = {"COMP_WORDS": "flask quota t", "COMP_CWORD": "t" if shell == "fish" else "2"}
    offered = in_shell(f"_FLASK_COMPLETE={shell}_complete flask", FLASK_APP="wsgi", **keys)
    assert "top" in offered
    assert "show" not in offered


@pytest.mark.slow
def test_a_service_is_not_affected() -> None:
    environ = {**BARE, "_FLASK_COMPLETE": "bash_complete"}
    ended = subprocess.run(
        [sys.executable, "-c", "import wsgi"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 3
    assert "MONGODB_URI: is not set" in ended.stderr
