"""Gzip bodies: decoded within the cap, whole, and never much larger than they came."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from flask import Flask

from app.error_answers import find_problem
from app.http.body import read_object
from app.http.gzip import MAX_MEMBERS, MAX_RATIO, gunzip
from app.http.problems import Problem
from app.http.request_errors import RequestError

CAP = 1024 * 1024
TEXT = b'{"turn_id":"t-1"}'
PACKED = gzip.compress(TEXT, mtime=0)


def refused(work: Callable[[], object]) -> Problem:
    with pytest.raises(RequestError) as caught:
        work()
    problem = find_problem(caught.value)
    assert problem is not None
    return problem


def read(data: bytes, coding: str, cap: int = CAP) -> dict[str, object]:
    options = {"content_type": "application/json", "headers": {"Content-Encoding": coding}}
    with Flask(__name__).test_request_context("/", method="POST", data=data, **options):
        return read_object(cap)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", " gzip\t"])
def test_gzip_may_be_written_in_upper_or_lower_case(coding: str) -> None:
    assert read(PACKED, coding) == {"turn_id": "t-1"}


@pytest.mark.parametrize("coding", ["", "identity", "Identity"])
def test_no_coding_is_no_gzip(coding: str) -> None:
    assert read(TEXT, coding) == {"turn_id": "t-1"}


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, gzip", "gzip,identity", "*"])
def test_another_coding_is_415_with_the_accepted_ones(coding: str) -> None:
    problem = refused(lambda: read(PACKED, coding))
    assert problem.kind.status == 415
    assert problem.headers == {"Accept-Encoding": "gzip, identity"}


@pytest.mark.parametrize("length", [0, 1, CAP - 1, CAP])
def test_a_body_up_to_the_cap_is_decoded(length: int) -> None:
    text = bytes(range(256)) * (length // 256) + b"x" * (length % 256)
    stored = gzip.compress(text, 0, mtime=0)  # as large as the text itself
    assert gunzip(stored, CAP) == text


def test_one_byte_more_than_the_cap_is_413() -> None:
    problem = refused(lambda: gunzip(gzip.compress(b"x" * 1_001, 0), 1_000))
    assert (problem.kind.status, problem.details["max_bytes"]) == (413, 1_000)


@pytest.mark.parametrize("size", [2 * CAP, 100 * CAP])
def test_a_body_that_grows_more_than_it_may_is_413_and_not_decoded(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = gzip.compress(bytes(size), mtime=0)
    made = []

    class Watched:
        def __init__(self, wbits: int) -> None:
            self._inner = zlib_decompressobj(wbits)

        def decompress(self, data: bytes, max_length: int) -> bytes:
            made.append(self._inner.decompress(data, max_length))
            return made[-1]

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

    zlib_decompressobj = zlib.decompressobj
    monkeypatch.setattr("app.http.gzip.zlib.decompressobj", Watched)
    problem = refused(lambda: gunzip(bomb, CAP))

    assert (problem.kind.status, problem.details["max_ratio"]) == (413, MAX_RATIO)
    assert sum(map(len, made)) <= min(CAP, MAX_RATIO * len(bomb)) + 1


def test_a_ratio_is_bounded_below_the_cap_too() -> None:
    text = bytes(200_000)
    packed = gzip.compress(text, mtime=0)
    assert len(packed) * MAX_RATIO < len(text) < CAP
    assert refused(lambda: gunzip(packed, CAP)).code == "payload_too_large"


def test_members_one_after_another_are_one_body() -> None:
    halves = gzip.compress(TEXT[:5]) + gzip.compress(TEXT[5:])
    assert gunzip(halves, CAP) == TEXT


def test_members_together_are_held_to_the_cap() -> None:
    member = gzip.compress(b"x" * 600, 0)
    assert refused(lambda: gunzip(member * 2, 1_000)).code == "payload_too_large"


def test_a_multitude_of_members_is_refused() -> None:
    assert gunzip(gzip.compress(b"") * (MAX_MEMBERS - 1) + PACKED, CAP) == TEXT
    problem = refused(lambda: gunzip(gzip.compress(b"") * 50_000, CAP))
    assert problem.details[0]["code"] == "invalid_gzip"


BROKEN = {
    "nothing": b"",
    "plain": TEXT,
    "zlib": zlib.compress(TEXT),
    "half": PACKED[: len(PACKED) // 2],
    "without its end": PACKED[:-1],
    "a header alone": PACKED[:10],
    "a wrong sum": PACKED[:-8] + bytes(4) + PACKED[-4:],
    "a wrong length": PACKED[:-4] + bytes(4),
    "something behind": PACKED + b"x",
    "blanks behind": PACKED + b"\0" * 512,
    "a second half": PACKED + PACKED[:-1],
    "noise": b"\x1f\x8b\x08\x00" + b"\xff" * 40,
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_gzip_is_400(name: str) -> None:
    problem = refused(lambda: gunzip(BROKEN[name], CAP))
    assert problem.kind.status == 400
    assert [(fault["field"], fault["code"]) for fault in problem.details] == [
        ("body", "invalid_gzip")
    ]


def test_the_cap_holds_for_the_body_as_sent_too() -> None:
    assert len(TEXT) < len(PACKED)
    assert refused(lambda: read(PACKED, "gzip", len(TEXT))).code == "payload_too_large"
