"""Read the stored turns: lists, single turns, aggregates and usage."""

import base64
import binascii
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from .account import FakeAccount, Item, Stored
from .fields import MODES, STATUSES, Errors
from .wire import Refusal, field_error, format_ms, invalid, parse_ms

Parameters = Mapping[str, Sequence[str]]
_DAY_MS = 86_400_000
_DETAIL_MS = 180 * _DAY_MS
_PACE_DAYS = 7
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EQUAL: Mapping[str, Callable[[Stored], Any]] = {
    "user_id": lambda turn: turn.item["user_id"],
    "relationship_id": lambda turn: turn.item["relationship_id"],
    "status": lambda turn: turn.item["status"],
    "mode": lambda turn: turn.item["mode"],
    "llm_model": lambda turn: turn.item["usage"]["llm_model"],
    "turn_id": lambda turn: turn.turn_id,
}
_CHOICES = {
    "status": STATUSES,
    "mode": MODES,
    "group_by": ("day", "week", "month"),
}
_RANGE = ("from", "to")


def list_turns(account: FakeAccount, sent: Parameters, now_ms: int) -> Item:
    """Return a page of turns, newest first."""
    known = ("from", "to", *_EQUAL, "limit", "cursor")
    query = _query(sent, known)
    limit = int(query.pop("limit", 20))
    cursor = query.pop("cursor", None)
    before = _position(cursor, query) if cursor else None
    found = [
        turn
        for turn in _chosen(account, query, now_ms - _DETAIL_MS)
        if before is None or turn.item["interaction_id"] < before
    ]
    page = [turn.item for turn in found[:limit]]
    has_more = len(found) > limit
    return {
        "data": page,
        "next_cursor": _cursor(page[-1]["interaction_id"], query) if has_more else None,
    }


def one_turn(account: FakeAccount, id_: str, now_ms: int) -> Item:
    """Return one turn, or raise the 404."""
    for turn in account.turns.values():
        if turn.item["interaction_id"] == id_ and turn.at_ms >= now_ms - _DETAIL_MS:
            return turn.item
    raise Refusal("not_found", "There is no such interaction.")


def aggregate(account: FakeAccount, sent: Parameters, now_ms: int) -> Item:
    """Return sums of turns with latencies, personalities and emotions."""
    query = _query(sent, ("user_id", "relationship_id", *_RANGE, "group_by"))
    group_by = query.pop("group_by", None)
    turns = _chosen(account, query, now_ms - _DETAIL_MS)
    if group_by is None:
        return {"data": [_sums(turns, None, None, now_ms) | _details(turns)]}
    start_ms = _bound(query, "from", now_ms - _DETAIL_MS)
    return {
        "data": [
            _sums(inside, start, end, now_ms) | _details(inside)
            for inside, start, end in _cut(turns, group_by, start_ms, _end_ms(query, now_ms))
        ]
    }


def use(account: FakeAccount, sent: Parameters, now_ms: int) -> Item:
    """Return sums of turns, and the quota."""
    query = _query(sent, (*_RANGE, "group_by"))
    group_by = query.pop("group_by", "day")
    start_ms = _bound(query, "from", account.quota.start_ms)
    turns = _chosen(account, {**query, "from": format_ms(start_ms)}, 0)
    data = [
        _sums(inside, start, end, now_ms)
        for inside, start, end in _cut(turns, group_by, start_ms, _end_ms(query, now_ms))
    ]
    return {"data": data, "quota": account.quota.item()}


def relationships(account: FakeAccount) -> Item:
    """Return the quota of active relationships."""
    quota, limit = account.quota, account.limits.relationships
    used = len(quota.active())
    period = {name: quota.item()[name] for name in ("period_start", "period_end")}
    remaining = None if limit is None else max(0, limit - used)
    return {"active_relationships": used, "limit": limit, "remaining": remaining, **period}


def peek(account: FakeAccount, sent: Parameters, now_ms: int) -> Item:
    """Return what is left of both limits; the quota once something has loaded its counters."""
    _query(sent, ())
    quota, limits = account.quota, account.limits
    shown = quota.item() | {
        "active_relationships_used": len(quota.active()),
        "active_relationships_limit": limits.relationships,
    }
    return {
        "rate_limit": account.bucket.item(now_ms),
        "quota": shown if quota.is_loaded else None,
        "projected_exhaustion_at": _exhaustion(account, now_ms) if quota.is_loaded else None,
    }


def _exhaustion(account: FakeAccount, now_ms: int) -> str | None:
    """Return when the turns are spent at the pace of the last whole days; None if they last."""
    quota, most = account.quota, account.limits.turns
    if most is None:
        return None
    if quota.used >= most:
        return format_ms(now_ms)
    today_ms = now_ms - now_ms % _DAY_MS
    days = min(_PACE_DAYS, (today_ms - account.signed_up_ms) // _DAY_MS)
    first_ms = today_ms - days * _DAY_MS
    turns = [turn for turn in account.turns.values() if first_ms <= turn.at_ms < today_ms]
    consumed = sum(turn.item["usage"]["turns_consumed"] for turn in turns)
    if not consumed:
        return None
    at_ms = now_ms + (most - quota.used) * days * _DAY_MS // consumed
    return format_ms(at_ms) if at_ms < quota.end_ms else None


def _query(sent: Parameters, known: Sequence[str]) -> dict[str, str]:
    """Return the parameters, or raise the 400 that lists what is wrong."""
    errors: Errors = []
    for name, values in sent.items():
        if name not in known:
            message = f"is not a known field or parameter; known here: {', '.join(known)}"
            errors.append(field_error(name, "unknown", message))
        elif len(values) > 1:
            errors.append(field_error(name, "repeated", "may be given only once"))
        else:
            _check_parameter(name, values[0], errors)
    if errors:
        raise invalid(errors)
    return {name: values[0] for name, values in sent.items()}


def _check_parameter(name: str, value: str, errors: Errors) -> None:
    if name in _RANGE and parse_ms(value, allow_day=True) is None:
        message = "must be an ISO-8601 instant with a zone, such as 2026-11-23T10:00:00Z"
        errors.append(field_error(name, "invalid_instant", message))
    elif name in _CHOICES and value not in _CHOICES[name]:
        allowed = list(_CHOICES[name])
        message = f"must be one of {', '.join(allowed)}"
        errors.append(field_error(name, "not_allowed", message, allowed))
    elif name == "limit" and not (value.isascii() and value.isdecimal()):
        errors.append(field_error(name, "invalid_type", "must be a whole number"))
    elif name == "limit" and not 1 <= int(value) <= 100:
        allowed_range = {"min": 1, "max": 100}
        errors.append(field_error(name, "out_of_range", "must be between 1 and 100", allowed_range))


def _chosen(account: FakeAccount, query: Mapping[str, str], oldest_ms: int) -> list[Stored]:
    """Return the turns that the filters choose, newest first."""
    start_ms = max(oldest_ms, _bound(query, "from", oldest_ms))
    end_ms = _bound(query, "to", 2**62)
    wanted = [(get, query[name]) for name, get in _EQUAL.items() if name in query]
    chosen = [
        turn
        for turn in account.turns.values()
        if start_ms <= turn.at_ms < end_ms and all(get(turn) == value for get, value in wanted)
    ]
    return sorted(chosen, key=lambda turn: str(turn.item["interaction_id"]), reverse=True)


def _bound(query: Mapping[str, str], name: str, default: int) -> int:
    at_ms = parse_ms(query[name], allow_day=True) if name in query else None
    return default if at_ms is None else at_ms


def _end_ms(query: Mapping[str, str], now_ms: int) -> int:
    return _bound(query, "to", now_ms - now_ms % _DAY_MS + _DAY_MS)


def _cursor(last_id: str, query: Mapping[str, str]) -> str:
    content = json.dumps([last_id, sorted(query.items())])
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _position(cursor: str, query: Mapping[str, str]) -> str:
    """Return the id after which a page begins, or raise the 400 of a wrong cursor."""
    try:
        last_id, bound = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    except (binascii.Error, ValueError):
        last_id, bound = None, None
    if bound != [list(pair) for pair in sorted(query.items())]:
        error = field_error("cursor", "invalid", "is damaged or of another listing")
        raise Refusal("invalid_cursor", error["message"], [error])
    return str(last_id)


def _cut(
    turns: Sequence[Stored], group_by: str, start_ms: int, end_ms: int
) -> Iterator[tuple[list[Stored], int, int]]:
    """Yield each bucket of a range, empty ones too, with its turns."""
    at_ms = _floor(start_ms, group_by)
    while at_ms < end_ms:
        next_ms = _floor(at_ms + (32 if group_by == "month" else 7) * _DAY_MS, group_by)
        if group_by == "day":
            next_ms = at_ms + _DAY_MS
        yield [turn for turn in turns if at_ms <= turn.at_ms < next_ms], at_ms, next_ms
        at_ms = next_ms


def _floor(at_ms: int, group_by: str) -> int:
    """Return the start of the bucket in which an instant lies."""
    day = (_EPOCH + timedelta(milliseconds=at_ms)).replace(hour=0, minute=0, second=0)
    day = day.replace(microsecond=0)
    if group_by == "week":
        day -= timedelta(days=day.weekday())
    elif group_by == "month":
        day = day.replace(day=1)
    return (day - _EPOCH) // timedelta(milliseconds=1)


def _sums(turns: Sequence[Stored], start: int | None, end: int | None, now_ms: int) -> Item:
    def total(name: str) -> int:
        return sum(turn.item["usage"][name] or 0 for turn in turns)

    counts = Counter(turn.item["status"] for turn in turns)
    return {
        "period_start": None if start is None else format_ms(start),
        "period_end": None if end is None else format_ms(end),
        "total_turns": len(turns),
        "turns_consumed": total("turns_consumed"),
        "input_tokens": total("input_tokens"),
        "output_tokens": total("output_tokens"),
        "complete": end is not None and end <= now_ms,
        "by_status": {status: counts[status] for status in STATUSES},
    }


def _details(turns: Sequence[Stored]) -> Item:
    latencies = sorted(turn.item["latency_ms"] for turn in turns)
    moods = [turn.item["inferred_emotional_state"] for turn in turns]
    emotions = Counter(mood["primary"] for mood in moods if mood)
    return {
        "avg_latency_ms": sum(latencies) / len(latencies) if latencies else None,
        "latency_ms": {f"p{percent}": _percentile(latencies, percent) for percent in (50, 95, 99)},
        "unique_personalities_count": len({turn.item["personality_id"] for turn in turns}),
        "primary_emotion_distribution": dict(emotions),
    }


def _percentile(latencies: Sequence[int], percent: int) -> int | None:
    return latencies[-(-len(latencies) * percent // 100) - 1] if latencies else None
