"""Answers in gzip: to clients that accept it, once, with the right headers, also streams."""

import gzip
import tracemalloc
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask, Response

from app.http.compression import LEAST_BYTES
from app.policies import POLICIES, PUBLIC
from tests.api.caching import PUBLIC as PUBLIC_PATHS
from tests.api.caching import body_of
from tests.api.conftest import NewCaller
from tests.callers import LIST, Caller
from tests.turns import whole

GZIP = {"Accept-Encoding": "gzip"}
LONG = "a line of an export\n" * 100


@pytest.fixture
def lister(tenant: NewCaller) -> Caller:
    """An organization with 100 turns of 40 users."""
    caller = tenant()
    turns = [
        whole(user_id=f"u_{n * 7 % 40}", relationship_id=f"rel_{n * 11 % 40}", latency_ms=900 + n)
        for n in range(100)
    ]
    assert caller.record_batch(turns).status_code == 200
    return caller


def test_a_list_of_100_is_at_least_five_times_smaller(lister: Caller) -> None:
    path = f"{LIST}?limit=100"
    plain, packed = lister("GET", path), lister("GET", path, headers=GZIP)

    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) == len(packed.data)
    assert gzip.decompress(packed.data) == plain.data
    assert len(plain.get_json()["data"]) == 100
    assert len(packed.data) * 5 <= len(plain.data)
    assert packed.headers["ETag"] == plain.headers["ETag"]


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("*", True),
        ("br, gzip;q=0.1", True),
        ("gzip, deflate, br, zstd", True),
        ("gzip;q=1.000 , identity;q=0.5", True),
        ("identity, gzip", True),
        ("*;q=0, gzip;q=0.001", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("gzip, gzip;q=0", False),
        ("*;q=0", False),
        ("gzip;q=0.5, identity", False),
        ("gzip;q=2", False),
        ("gzip;q=", False),
        ("gzip;q=0,5", False),
        ("gzip;level=9", False),
        ("gzipped", False),
        ("gz ip", False),
        (";;,,=", False),
        ("\x00é gzip", False),
        ("gzip," * 60, False),
        ("a;" * 30_000, False),
        ("g" * 100_000, False),
    ],
    ids=lambda value: str(value)[:24],
)
def test_the_header_decides(memory_app: Flask, accepted: str, *, is_packed: bool) -> None:
    answer = memory_app.test_client().get("/openapi.json", headers={"Accept-Encoding": accepted})
    assert (answer.headers.get("Content-Encoding") == "gzip") is is_packed
    assert answer.status_code == 200
    assert body_of(answer).startswith(b"{")


@pytest.mark.parametrize("path", PUBLIC_PATHS)
def test_caches_of_public_answers_keep_both_forms_apart(memory_app: Flask, path: str) -> None:
    for headers in ({}, GZIP):
        answer = memory_app.test_client().get(path, headers=headers)
        assert answer.headers["Vary"] == "Accept-Encoding"


@pytest.fixture
def odd_app(memory_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The application with routes of every kind of body."""
    answers = {
        "short": lambda: Response("x" * (LEAST_BYTES - 1)),
        "least": lambda: Response("x" * LEAST_BYTES),
        "text": lambda: Response(LONG),
        "html": lambda: Response(LONG, mimetype="text/html"),
        "csv": lambda: Response(LONG, mimetype="text/csv"),
        "ndjson": lambda: Response(LONG, mimetype="application/x-ndjson"),
        "image": lambda: Response(LONG, mimetype="image/png"),
        "packed": lambda: Response(
            gzip.compress(LONG.encode()) * 20, headers={"Content-Encoding": "gzip"}
        ),
        "partial": lambda: Response(LONG, 206),
        "unchanged": lambda: Response(status=304),
        "empty": lambda: Response(status=204),
        "bare": lambda: Response(mimetype="text/csv"),
        "stream": lambda: Response(iter([LONG, LONG.encode()]), mimetype="application/x-ndjson"),
        "nothing": lambda: Response(iter(()), mimetype="text/csv"),
        "known": lambda: Response(iter([LONG]), headers={"Content-Length": str(len(LONG))}),
        "strong": lambda: Response(LONG, headers={"ETag": '"a"'}),
        "weak": lambda: Response(LONG, headers={"ETag": 'W/"a"'}),
    }
    for name, make in answers.items():
        memory_app.add_url_rule(f"/{name}", name, make)
        monkeypatch.setitem(POLICIES, name, replace(PUBLIC))  # type: ignore[arg-type]
    return memory_app


PACKED = (
    *("least", "text", "html", "csv", "ndjson", "stream", "nothing", "known", "strong", "weak"),
)
UNCHANGED = ("short", "image", "packed", "partial", "unchanged", "empty", "bare")


@pytest.mark.parametrize("name", PACKED)
def test_text_is_compressed(odd_app: Flask, name: str) -> None:
    client = odd_app.test_client()
    plain, packed = client.get(f"/{name}"), client.get(f"/{name}", headers=GZIP)
    assert packed.headers.get_all("Content-Encoding") == ["gzip"]
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers.get("Content-Length", str(len(packed.data))) == str(len(packed.data))


@pytest.mark.parametrize("name", ["strong", "weak"])
def test_the_tag_of_two_forms_is_weak(odd_app: Flask, name: str) -> None:
    answer = odd_app.test_client().get(f"/{name}", headers=GZIP)
    assert answer.headers["ETag"] == 'W/"a"'


@pytest.mark.parametrize("name", UNCHANGED)
def test_other_answers_stay_as_they_are(odd_app: Flask, name: str) -> None:
    client = odd_app.test_client()
    plain, asked = client.get(f"/{name}"), client.get(f"/{name}", headers=GZIP)
    assert asked.data == plain.data
    changing = {"X-Request-Id", "X-RateLimit-Remaining", "X-RateLimit-Reset"}
    left, right = (
        [pair for pair in answer.headers if pair[0] not in changing] for answer in (plain, asked)
    )
    assert left == right


@pytest.mark.parametrize("name", [*PACKED, *UNCHANGED])
def test_head_has_the_headers_of_get(odd_app: Flask, name: str) -> None:
    client = odd_app.test_client()
    got, head = client.get(f"/{name}", headers=GZIP), client.head(f"/{name}", headers=GZIP)
    assert head.data == b""
    assert list(head.headers.keys()) == list(got.headers.keys())
    for header in ("Content-Encoding", "Content-Length", "Content-Type", "Vary"):
        assert head.headers.get(header) == got.headers.get(header)


def test_a_long_error_is_compressed(own: Caller) -> None:
    query = "&".join(f"unknown_{number}=1" for number in range(30))
    answer = own("GET", f"{LIST}?{query}", headers=GZIP)
    assert (answer.status_code, answer.headers["Content-Encoding"]) == (400, "gzip")
    assert b"validation_error" in body_of(answer)


class Source:
    """A long stream, which knows how much was taken and whether it was closed."""

    def __init__(self, parts_count: int = 10**9, *, fails_at: int = -1) -> None:
        self.taken_count = self.closed_count = 0
        self._parts_count, self._fails_at = parts_count, fails_at

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self.taken_count += 1
        if self.taken_count == self._fails_at:
            raise RuntimeError("a bug")
        if self.taken_count > self._parts_count:
            raise StopIteration
        return b'{"number": %d}\n' % self.taken_count * 50

    def close(self) -> None:
        self.closed_count += 1


def serve_stream(app: Flask, monkeypatch: pytest.MonkeyPatch, source: Source) -> None:
    app.add_url_rule("/source", "source", lambda: Response(source, mimetype="text/csv"))
    monkeypatch.setitem(POLICIES, "source", PUBLIC)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_stream_is_taken_piece_by_piece_and_closed(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    source = Source()
    serve_stream(memory_app, monkeypatch, source)
    answer = memory_app.test_client().open("/source", method=method, headers=GZIP, buffered=False)
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    if method == "GET":
        parts = map(decoder.decompress, answer.response)
        assert next(filter(None, parts)).startswith(b'{"number": 1}\n')
        assert source.taken_count < 10_000
    answer.close()
    assert source.closed_count == 1
    assert (source.taken_count == 0) is (method == "HEAD")


def test_a_stream_that_fails_has_no_end_and_is_closed(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(fails_at=5_000)
    serve_stream(memory_app, monkeypatch, source)
    answer = memory_app.test_client().get("/source", headers=GZIP, buffered=False)
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    parts = map(decoder.decompress, answer.response)
    with pytest.raises(RuntimeError):
        deque(parts, maxlen=0)
    answer.close()
    assert not decoder.eof
    assert source.closed_count == 1


def test_a_long_stream_is_compressed_in_constant_memory(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(parts_count=100_000)  # some 90 MB
    serve_stream(memory_app, monkeypatch, source)
    answer = memory_app.test_client().get("/source", headers=GZIP, buffered=False)
    tracemalloc.start()
    sent_bytes = sum(len(part) for part in answer.response)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    answer.close()
    assert source.taken_count == 100_001
    assert sent_bytes > 1_000_000
    assert most_bytes < 1_000_000
