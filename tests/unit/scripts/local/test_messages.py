"""The text that `scripts/run` ends its start with."""

from typing import Any

import pytest

from scripts.lib.local.messages import print_ready

URL = "http://127.0.0.1:8000"
DEMO: dict[str, Any] = {
    "keys": {"pro": {"read_write": "uniq_live_" + "a" * 46}},
    "test_key": "uniq_test_" + "b" * 46,
}


def test_the_console_is_printed_with_the_token_of_the_folder(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_ready(URL, DEMO, "token-of-this-folder", 1.5)
    shown = capsys.readouterr().out
    assert f"{URL}/console\n" in shown
    assert " token-of-this-folder\n" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_a_token_of_the_caller_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    print_ready(URL, DEMO, None, 1.5)
    shown = capsys.readouterr().out
    assert f"{URL}/console\n" in shown
    assert "in your OPERATOR_TOKEN" in shown
