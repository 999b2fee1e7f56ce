"""The work of the page's peers beside their frameworks: keys by digest, for a while; cursors."""

import hashlib

import pytest
from itsdangerous import URLSafeTimedSerializer
from ulid import ULID

from bench.peers import page_job
from bench.peers.page_job import KeyCache, cursor_after, digest_of, with_names

SIGNER = URLSafeTimedSerializer("secret")
ROWS = [{"_id": f"01J{number:023}"} for number in range(3)]


def test_a_key_is_looked_up_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(page_job.time, "monotonic", lambda: now_s)
    cache = KeyCache()
    assert cache.get("digest") is None
    cache.keep("digest", "org_a:live")
    now_s += page_job.KEY_AGE_S - 1
    assert cache.get("digest") == "org_a:live"
    now_s += 1
    assert cache.get("digest") is None


def test_a_digest_is_that_of_the_key_alone() -> None:
    assert digest_of("Bearer key") == hashlib.sha256(b"key").hexdigest()


def test_only_a_page_that_is_not_the_last_has_a_cursor() -> None:
    following = cursor_after(ROWS, 2, SIGNER)
    assert following is not None
    assert SIGNER.loads(following) == ROWS[1]["_id"]
    assert cursor_after(ROWS, 3, SIGNER) is None


def test_an_item_has_the_id_and_the_instant_of_its_row() -> None:
    ulid = str(ULID.from_timestamp(1_764_518_222.480))
    item = with_names({"_id": ulid, "status": "completed"})
    assert item["interaction_id"] == f"int_{ulid}"
    assert item["created_at"] == "2025-11-30T15:57:02.480Z"
    assert item["status"] == "completed"
