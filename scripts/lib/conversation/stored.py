"""The stores of a side as lines: keys of Redis and documents of MongoDB."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pymongo import MongoClient
from redis import Redis

from scripts.lib.conversation.names import Names


def redis_lines(url: str, names: Names) -> list[str]:
    """Return the content of every key; of buckets only empty ones, because full ones expire."""
    with Redis.from_url(url, decode_responses=True, protocol=2) as client:
        lines = [line for key in sorted(client.scan_iter()) for line in _of_key(client, key)]
    return names.lines(lines)


def mongodb_lines(uri: str, names: Names) -> list[str]:
    """Return every document, with its fields in their order, and the indexes."""
    with MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        database = client.get_default_database()
        lines = [
            f"{name} {_json(document, is_sum=name.startswith('usage_'))}"
            for name in sorted(database.list_collection_names())
            for document in _documents(database[name])
        ]
    return names.lines(lines)


def _documents(collection: Any) -> Iterator[Any]:
    yield {"indexes": collection.index_information()}
    yield {"options": collection.options()}
    yield from collection.find()


def _json(document: object, *, is_sum: bool) -> str:
    # MongoDB groups the parts of a sum in no fixed order.
    return json.dumps(document, default=_plain, ensure_ascii=False, sort_keys=is_sum)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return repr(value)


def _of_key(client: Any, key: str) -> Iterator[str]:
    kind, has_expiry = client.type(key), client.pttl(key) > 0
    if kind == "hash":
        content = client.hgetall(key)
        if key.startswith("bucket:") and content.get("level") != "0":
            return
        entries = [f"{field} = {value}" for field, value in content.items()]
    elif kind == "zset":
        entries = [
            f"{member} = {score:.0f}"
            for member, score in client.zrange(key, 0, -1, withscores=True)
        ]
    elif kind == "none":  # it has expired since it was listed
        return
    else:
        entries = [f"{client.get(key) if kind == 'string' else '?'}"]
    yield f"{key} is a {kind}{', expires' if has_expiry else ''}, entries: {len(entries)}"
    yield from (f"{key}: {entry}" for entry in entries)
