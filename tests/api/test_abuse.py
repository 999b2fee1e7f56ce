"""Hostile requests against a running service: never a 5xx, always the error envelope, no leak."""

import json
from collections.abc import Iterator

import pytest
from flask import Flask

from tests.callers import LIST, TURNS, new_caller
from tests.servers import RunningService
from tests.sockets import Answer, Sender, chunked
from tests.turns import Body, body, whole

CANARY = "canary4711"
BATCH = f"{LIST}/batch"
DEEP = 100_000
BOM = b"\xef\xbb\xbf"


@pytest.fixture
def sender(common_service: tuple[RunningService, Flask]) -> Iterator[Sender]:
    """A running service whose log may contain no canary and no key at the end."""
    service, app = common_service
    logged_count = len(service.log.read_bytes())
    sender = Sender(service, new_caller(app, requests_per_second=9_000, burst=9_000))
    yield sender
    assert sender(b"GET", b"/healthz").status == 200
    log = service.log.read_bytes()[logged_count:].decode(errors="replace")
    assert "requestId" in log
    assert CANARY not in log
    assert sender.caller.token[-20:] not in log
    assert "Traceback" not in log


def assert_refused(name: str, answer: Answer) -> None:
    assert 400 <= answer.status < 500, f"{name}: {answer}"
    assert answer.is_ours, f"{name}: {answer}"
    error = json.loads(answer.body)["error"]
    assert set(error) == {
        *("code", "message", "type", "request_id", "details", "documentation_url")
    }
    assert error["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in error["message"]


def with_value(text: str) -> bytes:
    """Return a recording whose latency is `text`, verbatim."""
    return (
        json.dumps(body(latency_ms=0)).replace('"latency_ms": 0', f'"latency_ms": {text}').encode()
    )


def with_name(text: str) -> bytes:
    """Return a recording with one more field, named by the JSON string `text`."""
    return json.dumps(body()).replace("{", f"{{{text}: 1, ", 1).encode()


def whole_with(**changes: object) -> bytes:
    return json.dumps(whole(**changes)).encode()


BODIES: dict[str, bytes] = {
    "deep lists": b"[" * DEEP,
    "deep closed lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * (DEEP // 3) + b"1" + b"}" * (DEEP // 3),
    "deep within": with_value("[" * 900 + "]" * 900),
    "NaN": with_value("NaN"),
    "Infinity": with_value("-Infinity"),
    "1e400": with_value("1e400"),
    "-1e-300": with_value("-1e-300"),
    "a huge integer": with_value("9" * 5_000),
    "beyond 64 bits": with_value(str(2**64)),
    "a negative huge integer": with_value(str(-(2**70))),
    "a lone surrogate": with_name(r'"\ud800"'),
    "a lone surrogate as value": with_value(r'"\udfff"'),
    "NUL in a name": with_name(r'"a\u0000b"'),
    "NUL in a value": whole_with(turn_id="a\0b"),
    "NUL bytes": b"\0" * 64,
    "an operator": with_name('"$where"'),
    "an operator as value": whole_with(user_id={"$gt": ""}),
    "an operator within": whole_with(usage={"$set": {"turns_consumed": 0}}),
    "a dotted name": with_name('"usage.turns_consumed"'),
    "a prototype": with_name('"__proto__"'),
    "a constructor": with_name('"constructor"'),
    "an empty name": with_name('""'),
    "10,000 names": json.dumps(body() | {f"k{n}": n for n in range(10_000)}).encode(),
    "10,000 labels": whole_with(guardrails={"applied": ["a"] * 10_000}),
    "text": whole_with(message=f"{CANARY} said hello"),
    "text as name": with_name(f'"{CANARY} said"'),
    "text as value": whole_with(user_id=f"{CANARY} said"),
    "invalid UTF-8": b'{"turn_id":"\xff\xfe"}',
    "overlong UTF-8": b'{"turn_id":"\xc0\xaf"}',
    "UTF-16": json.dumps(body()).encode("utf-16"),
    "a byte order mark": BOM + json.dumps(body()).encode(),
    "nothing": b"",
    "blanks": b" \n\t ",
    "half": json.dumps(body()).encode()[:-1],
    "two": json.dumps(body()).encode() * 2,
    "comments": b"{/* x */}",
    "a number": b"1",
    "a list": b"[]",
    "null": b"null",
    "XML": b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>",
    "a pickle": b"\x80\x04\x95",
}


@pytest.mark.parametrize("path", [LIST, BATCH, TURNS, "/v1/api-keys"])
def test_every_hostile_body_is_refused_with_a_4xx(sender: Sender, path: str) -> None:
    for name, payload in BODIES.items():
        assert_refused(name, sender.json(path, payload))
    assert sender.caller.rows_count() == 0


def test_hostile_elements_of_a_batch_are_refused_one_by_one(sender: Sender) -> None:
    elements: list[object] = [None, 1, "x", [], {}, True, {"$where": 1}, [[[]]], 1e308, -(2**63)]
    good: Body = body()

    answer = sender.json(BATCH, json.dumps({"interactions": [*elements, good]}).encode())

    outcomes = [result["status"] for result in json.loads(answer.body)["results"]]
    assert outcomes == ["rejected"] * len(elements) + ["created"]


def test_a_repeated_name_is_refused_for_any_values(sender: Sender) -> None:
    text = json.dumps(body())
    first_is_text = text.replace("{", '{"latency_ms": "some text", ', 1).encode()
    last_is_text = text.replace("}", ', "latency_ms": "some text"}', 1).encode()

    for payload in (first_is_text, last_is_text):
        answer = sender.json(LIST, payload)
        assert_refused("a name twice", answer)
        assert b"`latency_ms` may be given only once." in answer.body
    assert sender.caller.rows_count() == 0


CONTENT = b"Content-Type: application/json"
CHUNKED = b"Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("path", "cap"), [(LIST, 256 * 1024), (BATCH, 1024 * 1024), ("/v1/api-keys", 256 * 1024)]
)
def test_a_chunked_body_over_the_cap_is_413_also_when_padded(
    sender: Sender, path: str, cap: int
) -> None:
    padded = json.dumps(body()).encode().ljust(cap + 1)

    for payload in (padded, b"x" * (3 * cap), b" " * (cap + 1)):
        answer = sender.json(path, chunked(payload), CHUNKED)
        assert (answer.status, answer.code()) == (413, "payload_too_large")
    assert sender.caller.rows_count() == 0


@pytest.mark.parametrize("broken", [b"ZZZ\r\n", b"3\r\nabcdef\r\n0\r\n\r\n"])
@pytest.mark.parametrize("path", [LIST, BATCH, "/v1/api-keys"])
def test_an_incomplete_body_is_400(sender: Sender, path: str, broken: bytes) -> None:
    assert_refused("broken chunks", sender.json(path, broken, CHUNKED))


@pytest.mark.parametrize("host", [b"xn--zz--", b"<script>", b"a b", b"\xff", b""])
def test_an_odd_host_is_refused_and_not_echoed(sender: Sender, host: bytes) -> None:
    request = b"GET /nope HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % host

    answer = sender.raw(request)

    assert 400 <= answer.status < 500
    assert b"<script>" not in answer.body


def test_a_chunked_body_within_the_cap_is_read(sender: Sender) -> None:
    whole_body = json.dumps(body()).encode()

    for size in (1, 7, 10_000):
        answer = sender.json(LIST, chunked(whole_body, size), CHUNKED)
        assert answer.status == (201 if size == 1 else 200)


def test_another_content_type_or_encoding_is_refused(sender: Sender) -> None:
    payload = json.dumps(body()).encode()
    for content in (b"text/plain", b"multipart/form-data", b"application/x-www-form-urlencoded"):
        answer = sender(b"POST", LIST.encode(), b"Content-Type: " + content, payload=payload)
        assert (answer.status, answer.code()) == (415, "unsupported_media_type")
    gzip = b"\x1f\x8b\x08\x00" + b"\0" * 40
    assert_refused("gzip", sender.json(LIST, gzip, b"Content-Encoding: gzip"))
    assert sender(b"POST", LIST.encode(), payload=payload).status == 415


TARGETS: dict[bytes, int] = {
    b"/": 200,
    b"/v1": 404,
    b"/v1/": 404,
    b"/v1/nothing": 404,
    b"//v1/interactions": 404,
    b"/v1//interactions": 404,
    b"/v1/interactions/": 404,
    b"/v1/interactions//": 404,
    b"/V1/interactions": 404,
    b"/v1/interactions/%2e%2e%2f%2e%2e%2fetc%2fpasswd": 404,
    b"/../../etc/passwd": 404,
    b"/v1/interactions/" + b"%00": 404,
    b"/v1/interactions/" + b"%FF%FE": 404,
    b"/v1/interactions/" + b"%": 404,
    b"/v1/interactions/" + b"%ZZ": 404,
    b"/v1/interactions/" + b"a" * 3_000: 404,
    b"/v1/interactions/" + b"%0d%0aSet-Cookie:x": 404,
    b"/v1/interactions/" + CANARY.encode(): 404,
    b"/" + CANARY.encode(): 404,
    b"/static/x": 404,
    b"/.env": 404,
    b"/v1%2Finteractions": 200,  # Granian hands over the decoded path alone
    b"/v1/interactions?": 200,
    b"/v1/interactions?&&&": 200,
    b"/v1/interactions?user_id=%FF": 400,
    b"/v1/interactions?%FF=1": 400,
    b"/v1/interactions?user_id=" + CANARY.encode() + b"%20x": 400,
    b"/v1/interactions?" + CANARY.encode() + b"=1": 400,
    b"/v1/interactions?limit=%00": 400,
    b"/v1/interactions?" + b"&".join(b"p%d=1" % number for number in range(400)): 400,
    b"/v1/interactions?from=%0d%0aX-Evil:1": 400,
}


def test_odd_targets_are_refused_or_read_to_the_letter(sender: Sender) -> None:
    for target, status in TARGETS.items():
        answer = sender(b"GET", target)
        assert answer.status == status, f"{target!r}: {answer}"
        assert answer.is_ours
        assert "set-cookie" not in answer.headers
        assert "x-evil" not in answer.headers
        assert "location" not in answer.headers
        if status != 200:
            assert_refused(repr(target), answer)


def test_hostile_headers_are_neither_obeyed_nor_echoed(sender: Sender) -> None:
    key = f"Bearer uniq_live_{CANARY}".encode()
    headers = {
        b"Authorization: " + b"A" * 7_000: 401,
        b"Authorization: Bearer " + b"a" * 7_000: 401,
        b"Authorization: " + key: 401,
        b"Authorization: Basic " + CANARY.encode(): 401,
        b"Authorization: Bearer \xff\xfe": 401,
        b"Authorization:": 401,
        b"Authorization: Bearer": 401,
        b"X-Request-Id: " + CANARY.encode() + b" {}": 200,
        b"X-Request-Id: " + CANARY.encode() * 20: 200,
        b"X-Request-Id: \xff" + CANARY.encode(): 200,
        b"X-HTTP-Method-Override: DELETE": 200,
        b"Accept: text/html": 200,
        b"Content-Length: 0": 200,
        b"X-Forwarded-For: " + CANARY.encode(): 200,
        b"X-Forwarded-Host: evil.test": 200,
        b"Range: bytes=0-1": 200,
        b"If-None-Match: *": 200,
        b"User-Agent: " + CANARY.encode(): 200,
        b"Cookie: session=" + CANARY.encode(): 200,
    }

    for header, status in headers.items():
        answer = sender.raw(head(sender, header))
        assert answer.status == status, f"{header[:60]!r}: {answer}"
        assert answer.is_ours
        assert CANARY not in str(answer)
        assert "evil.test" not in str(answer)


def head(sender: Sender, header: bytes) -> bytes:
    own = (
        b""
        if header.startswith(b"Authorization")
        else (f"Authorization: Bearer {sender.caller.token}\r\n".encode())
    )
    return b"GET /v1/me HTTP/1.1\r\nHost: t\r\nConnection: close\r\n" + own + header + b"\r\n\r\n"


REFUSED_BY_SERVER = (
    b"GET /v1/me HTTP/1.1\r\nHost: t\r\nX-Request-Id: a\nX-Evil: 1\r\n\r\n",
    b"GET /v1/me HTTP/1.1\r\nHost: t\r\nAuthorization: a\r\n X-Evil: 1\r\n\r\n",
    b"GET /v1/me HTTP/1.1\r\nHost: t\r\nX Y: 1\r\n\r\n",
    b"GET /v1/me HTTP/1.1\r\nHost: t\r\nA: \0\r\n\r\n",
    b"GET /v1/me HTTP/1.1\r\nHost: t\r\nB: " + b"b" * 20_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: t\r\n\r\n",
    b"GET /v1/me HTTP/9.9\r\nHost: t\r\n\r\n",
    b"get /v1/me HTTP/1.1\r\nHost: t\r\n\r\n",
    b"POST /v1/interactions HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/interactions HTTP/1.1\r\nHost: t\r\nContent-Length: 9x\r\n\r\n",
    b"POST /v1/interactions HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"POST /v1/me HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /v1/me HTTP/1.1\r\nHost: t\r\nExpect: 200-nothing\r\n\r\n",
)


def test_requests_that_the_server_refuses_do_not_affect_later_ones(
    sender: Sender,
) -> None:
    for request in REFUSED_BY_SERVER:
        answer = sender.raw(request)
        assert 400 <= answer.status < 500 or answer.status in (501, 505), request
        assert "x-evil" not in answer.headers
        assert sender(b"GET", b"/v1/me").status == 200
