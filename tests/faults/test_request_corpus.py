"""Every odd request of `tests/corpus/requests.json`, byte for byte on both servers.

A request: `method`, `target`, `version`, `host` (null: none), `key` (false: none), `headers` as
lines, in which `{own}`, `{token}` and `{operator}` are credentials, and `body` or `body_base64`,
framed by its length, in chunks, or by the `headers` alone.

An answer: `status`; `code` of the error, null if there is none or if the server in front answers;
`answers`, headers by name; `absent`, headers that must be missing; `message`, a part of the error's
text; `documentation`, its link. Where the servers differ a value is an object of both.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.callers import app_beside, new_caller
from tests.servers import OPERATOR_TOKEN, ServerKind, environ_for, running_service
from tests.sockets import Answer, Sender, chunked

Entry = dict[str, Any]

CORPUS = Path(__file__).resolve().parents[1] / "corpus" / "requests.json"
REQUESTS: list[Entry] = json.loads(CORPUS.read_text(encoding="utf-8"))
OF_A_REQUEST = {
    *("name", "method", "target", "version", "host", "key", "headers", "body", "body_base64"),
    "framing",
}
OF_AN_ANSWER = {"status", "code", "answers", "absent", "message", "documentation"}


@pytest.fixture(scope="module")
def sender(
    kind: ServerKind,
    live_mongodb_uri: str,
    live_redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Sender]:
    log = tmp_path_factory.mktemp(f"corpus-{kind.value}") / "service.log"
    own_uri = live_mongodb_uri.replace("/turnledger?", f"/corpus_{kind.value}?")
    environ = environ_for(own_uri, live_redis_url, TRUSTED_PROXY_HOPS="2")
    with (
        running_service(environ, log, workers_count=1, kind=kind) as service,
        app_beside(service) as app,
    ):
        yield Sender(service, new_caller(app))


def request_of(entry: Entry, token: str) -> bytes:
    """Return the bytes of a request."""
    payload = entry.get("body", "").encode() or base64.b64decode(entry.get("body_base64", ""))
    host = entry.get("host", "turnledger.test")
    given = entry.get("headers", [])
    lines = [f"{entry['method']} {entry['target']} {entry.get('version', 'HTTP/1.1')}"]
    lines += [] if host is None else [f"Host: {host}"]
    if entry.get("key", True) and not any(line.startswith("Authorization") for line in given):
        lines.append("Authorization: {own}")
    lines += given
    if not any(line.startswith("Connection") for line in given):
        lines.append("Connection: close")
    framing, payload = framed(payload, entry.get("framing", "length"))
    text = "\r\n".join([*lines, *framing, "", ""])
    for name, value in {
        "own": f"Bearer {token}",
        "token": token,
        "operator": OPERATOR_TOKEN,
    }.items():
        text = text.replace(f"{{{name}}}", value)
    return text.encode("latin-1") + payload


def framed(payload: bytes, framing: str) -> tuple[list[str], bytes]:
    """Return the header for the body's length, and the body."""
    if framing == "chunked":
        return ["Transfer-Encoding: chunked"], chunked(payload, 16)
    return ([f"Content-Length: {len(payload)}"] if payload and framing == "length" else []), payload


def error_of(answer: Answer) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(answer.body or b"{}").get("error", {})
    return error


@pytest.mark.parametrize("entry", REQUESTS, ids=[entry["name"] for entry in REQUESTS])
def test_an_odd_request_is_answered_as_the_corpus_says(sender: Sender, entry: Entry) -> None:
    kind = sender.service.kind.value
    wanted = {
        name: value[kind] if isinstance(value, dict) and kind in value else value
        for name, value in entry.items()
    }

    answer = sender.raw(request_of(entry, sender.caller.token))

    assert answer.status == wanted["status"], answer
    if answer.is_ours:
        is_json = answer.headers.get("content-type") == "application/json"
        error = error_of(answer) if is_json else {}
        assert error.get("code") == wanted["code"], answer
        assert wanted.get("message", "") in error.get("message", ""), answer
        assert wanted.get("documentation", "") in error.get("documentation_url", ""), answer
        assert answer.headers["x-content-type-options"] == "nosniff"
        if answer.status >= 400:
            assert answer.headers["cache-control"] == "no-store"
    else:
        assert wanted["code"] is None
        assert 400 <= answer.status <= 505
    for name, value in wanted.get("answers", {}).items():
        assert answer.headers.get(name) == value, answer
    assert not set(wanted.get("absent", [])) & set(answer.headers), answer


def test_every_entry_is_a_different_odd_request() -> None:
    assert len(REQUESTS) > 100
    assert len({entry["name"] for entry in REQUESTS}) == len(REQUESTS)
    for entry in REQUESTS:
        assert set(entry) <= OF_A_REQUEST | OF_AN_ANSWER, entry["name"]
        assert {"name", "method", "target", "status", "code"} <= set(entry)


@pytest.mark.parametrize("kind_of_answer", ["status", "code"])
def test_different_answers_of_the_servers_are_both_listed(kind_of_answer: str) -> None:
    for entry in REQUESTS:
        value = entry[kind_of_answer]
        if isinstance(value, dict):
            assert set(value) == {kind.value for kind in ServerKind}
            assert len(set(value.values())) == 2
