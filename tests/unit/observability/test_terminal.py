"""Escapes for characters that a stream cannot encode."""

import io
import json
import os
import sys

import pytest

from app.observability.terminal import ESCAPE, escape_unknown_signs, shown, utf8_argument

TEXT = "Zo\u00eb \u0416 \U0001f600"


def stream(encoding: str, errors: str = "strict") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", TEXT),
        ("ascii", "Zo\\u00eb \\u0416 \\ud83d\\ude00"),
        ("latin-1", "Zo\u00eb \\u0416 \\ud83d\\ude00"),
        ("cp932", "Zo\\u00eb \u0416 \\ud83d\\ude00"),
    ],
)
def test_a_stream_escapes_only_what_it_cannot_encode(encoding: str, text: str) -> None:
    assert shown(TEXT, stream(encoding)) == text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp932", "gbk", "euc_jp"])
def test_escaped_json_has_the_same_text(encoding: str) -> None:
    assert json.loads(shown(json.dumps(TEXT, ensure_ascii=False), stream(encoding))) == TEXT


def test_bytes_that_the_locale_could_not_decode_are_shown_as_their_character() -> None:
    word = "Zo\u00eb".encode().decode("ascii", "surrogateescape")
    assert shown(word, stream("ascii")) == "Zo\\u00eb"
    assert utf8_argument(word) == "Zo\u00eb"
    assert shown(os.fsdecode(b"\xff"), stream("utf-8")) == "\\udcff"
    with pytest.raises(UnicodeError):
        utf8_argument("\udcff")


def test_another_setting_of_the_user_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    own, default = stream("ascii", "replace"), stream("ascii", "surrogateescape")
    monkeypatch.setattr(sys, "stdout", own)
    monkeypatch.setattr(sys, "stderr", default)
    escape_unknown_signs()
    assert (own.errors, default.errors) == ("replace", ESCAPE)
