"""Commands under locales and encodings that lack signs of the data, as real processes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.http.application import provided
from config.settings import Settings
from tests.callers import app_on, new_caller
from tests.servers import ROOT, environ_for
from tests.turns import at, now_ms

NAME = "Zo\u00eb \u0416 \U0001f600"  # no encoding below has all of them
ENCODINGS = ["ascii", "latin-1", "cp932", "gbk", "euc_jp"]
# Python would otherwise choose UTF-8 by itself.
BARE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

OURS = tuple(f"{ROOT}/{room}" for room in ("app", "config", "wsgi.py"))

Type = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="module")
def app(live_mongodb_uri: str, live_redis_url: str) -> Iterator[Flask]:
    """An application on the stores of the commands, with the schema."""
    mongodb_uri = live_mongodb_uri.replace("/turnledger?", "/encodings?")
    with app_on(mongodb_uri, live_redis_url) as made:
        yield made


@pytest.fixture
def type_(app: Flask) -> Type:
    """Types a command; its locale knows ASCII, and its streams the encoding that is named."""
    with app.app_context():
        settings = provided(Settings)
    environ = environ_for(settings.mongodb_uri, settings.redis_url)

    def run(encoding: str | None, *words: str) -> "subprocess.CompletedProcess[bytes]":
        streams = {} if encoding is None else {"PYTHONIOENCODING": encoding}
        return subprocess.run(
            [sys.executable, "-Xwarn_default_encoding", "-m", "flask", "--app", "wsgi", *words],
            check=False,
            cwd=ROOT,
            env=environ | BARE | streams,
            capture_output=True,
            timeout=120,
        )

    return run


def out(ended: "subprocess.CompletedProcess[bytes]", encoding: str | None) -> str:
    errors = ended.stderr.decode(encoding or "ascii")
    assert ended.returncode == 0, errors
    # Those of libraries are theirs.
    warned = [line for line in errors.splitlines() if "EncodingWarning" in line]
    assert [line for line in warned if line.startswith(OURS)] == []
    return ended.stdout.decode(encoding or "ascii")


def test_a_name_goes_in_and_out_under_a_locale_of_ascii(type_: Type) -> None:
    assert "Zo\\u00eb \\u0416 \\ud83d\\ude00" in out(type_(None, "org", "create", NAME), None)


@pytest.mark.parametrize(
    "encodings", [ENCODINGS[1:3], pytest.param(ENCODINGS, marks=pytest.mark.long)]
)
def test_every_encoding_shows_what_it_can_and_escapes_the_rest(
    type_: Type, encodings: list[str]
) -> None:
    made = json.loads(out(type_("gbk", "org", "create", NAME, "--json"), "gbk"))
    assert made["name"] == NAME
    for encoding in encodings:
        table = out(type_(encoding, "org", "list"), encoding)
        (row,) = [line for line in table.splitlines() if made["id"] in line]
        for sign, escape in (("\u00eb", "\\u00eb"), ("\u0416", "\\u0416")):
            assert (escape in row) != _has(encoding, sign)
        assert "\\ud83d\\ude00" in row


@pytest.mark.long
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_json_in_any_encoding_holds_the_same_text(type_: Type, encoding: str) -> None:
    made = json.loads(out(type_(encoding, "org", "create", NAME, "--json"), encoding))
    assert made["name"] == NAME


def _has(encoding: str, sign: str) -> bool:
    try:
        sign.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("ascii", ("org", "show", NAME)),
        pytest.param("cp932", ("org", "create", "A", "--plan", NAME), marks=pytest.mark.long),
    ],
    ids=["ascii", "cp932"],
)
def test_refusals_are_one_readable_line_in_any_encoding(
    type_: Type, encoding: str, words: tuple[str, ...]
) -> None:
    ended = type_(encoding, *words)
    (line,) = [
        line for line in ended.stderr.decode(encoding).splitlines() if line.startswith("Error: ")
    ]
    assert ended.returncode == 1
    assert "Zo\\xeb" in line
    assert b"Traceback" not in ended.stderr


def test_bytes_that_are_no_text_are_a_usage_error(type_: Type) -> None:
    ended = type_("ascii", "org", "create", os.fsdecode(b"Zo\xeb"))
    assert ended.returncode == 2
    assert b"is not text in UTF-8" in ended.stderr
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize("kind", [".csv", ".ndjson"])
def test_a_file_of_a_spreadsheet_is_imported_under_any_locale(
    type_: Type, app: Flask, tmp_path: Path, kind: str
) -> None:
    organization = new_caller(app).organization
    turn = at(now_ms() - 3_600_000)
    text = json.dumps(turn)
    if kind == ".csv":
        flat = {name: value for name, value in turn.items() if not isinstance(value, dict | list)}
        text = f"{','.join(flat)}\n{','.join(str(value) for value in flat.values())}"
    file = tmp_path / f"Zo\u00eb{kind}"
    file.write_bytes(f"\ufeff{text}\n".encode())
    ended = type_("ascii", "turns", "import", organization.id, str(file), "--json")
    counts = json.loads(ended.stdout)
    assert (counts["new"], counts["rejected"]) == (1, 0), ended.stderr
