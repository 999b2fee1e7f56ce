"""A key is found in the text that leaked, read from standard input."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

Answer = Callable[..., Any]


@pytest.fixture
def tokens(answer: Answer, organization_id: str) -> list[dict[str, Any]]:
    """Two keys as `flask key create` shows them."""
    return [answer("key", "create", organization_id, "--scope", "read") for _ in range(2)]


def revoke(app: Flask, text: str) -> Any:
    runner = app.test_cli_runner()
    return runner.invoke(args=["key", "revoke", "-", "--json"], input=text)


def test_the_key_in_a_text_is_revoked(memory_app: Flask, tokens: list[dict[str, Any]]) -> None:
    key, other = tokens

    result = revoke(memory_app, f"commit 3f2a\n+KEY={key['key']} # ours\nrest\n")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["id"] == key["id"]
    assert key["key"] not in result.output
    assert revoke(memory_app, other["key"]).exit_code == 0


def test_several_keys_are_named_and_none_is_revoked(
    memory_app: Flask, answer: Answer, organization_id: str, tokens: list[dict[str, Any]]
) -> None:
    result = revoke(memory_app, " and ".join(key["key"] for key in tokens))

    assert (result.exit_code, result.stdout) == (1, "")
    for key in tokens:
        assert key["id"] in result.stderr
        assert key["key"] not in result.stderr
    listed = answer("key", "list", organization_id)
    assert [key["revoked_at"] for key in listed] == [None, None]


@pytest.mark.usefixtures("tokens")
@pytest.mark.parametrize("text", ["no key here", f"a uniq_live_{'x' * 46} of another service"])
def test_a_text_without_a_known_key_says_so(memory_app: Flask, text: str) -> None:
    result = revoke(memory_app, text)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "No key of this service is in the text" in result.stderr
    assert "flask key list ORG_ID" in result.stderr


def test_an_empty_input_is_refused(memory_app: Flask) -> None:
    assert revoke(memory_app, "").exit_code == 1
