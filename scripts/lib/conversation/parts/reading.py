"""Listing, reading and aggregating turns."""

from urllib.parse import urlencode

from scripts.lib.conversation.talk import LIST, Talk

READER = "acme/read"
AGGREGATES = f"{LIST}/aggregates"
USAGE = "/v1/usage/turns"
WRONG_QUERIES = (
    "limit=0",
    "limit=101",
    "limit=ten",
    "limit=",
    "limit=1&limit=2",
    "limit=1.5",
    "limit=%2B5",
    "user_id=",
    "user_id=a%20b",
    "relationship_id=" + "x" * 129,
    "from=2026-11-30T10:00:00",
    "from=2026-02-30",
    "from=now",
    "from=2026-11-30T10:00:00+01:00",
    "from=2026-11-20&to=2026-11-19",
    "from=2026-11-20&to=2026-11-20",
    "to=0001-01-01",
    "cursor=abc",
    "cursor=" + "x" * 513,
    "cursor=a.b",
    "unknown=1&other=2",
    "group_by=year",
    "message=hello",
)


def reading(talk: Talk) -> None:
    """List page by page, with every filter and every invalid parameter; read turns by id."""
    _pages(talk, limit=100)
    _pages(talk, user_id="u_2", limit=1)
    _pages(talk, relationship_id="rel_2", limit=3)
    for query in ({}, {"limit": 1}, {"limit": 100}, {"user_id": "nobody"}):
        talk.say("GET", f"{LIST}?{urlencode(query)}", READER)
    ranges: tuple[dict[str, str], ...] = (
        {"from": talk.instant(5_100), "to": talk.instant(5_090)},
        {"from": "2020-01-01"},
    )
    for span in (*ranges, {"to": "2021-01-01"}, {"to": talk.instant(5_480), "limit": "5"}):
        talk.say("GET", f"{LIST}?{urlencode(span)}", READER)
    for wrong in WRONG_QUERIES:
        talk.say("GET", f"{LIST}?{wrong}", READER)
    _cursors(talk)
    _single(talk)


def _pages(talk: Talk, **query: object) -> None:
    cursor: dict[str, object] = {}
    while True:
        answer = talk.say("GET", f"{LIST}?{urlencode(query | cursor)}", READER)
        following = answer.json()["next_cursor"]
        if not following:
            return
        cursor = {"cursor": following}


def _cursors(talk: Talk) -> None:
    """Send cursors of other accounts, filters and lists."""
    page = talk.say("GET", f"{LIST}?limit=2", READER).json()
    cursor = str(page["next_cursor"])
    query = urlencode({"cursor": cursor})
    for more in ("&limit=1", "&user_id=u_1", "&from=2026-01-01", "&cursor=x"):
        talk.say("GET", f"{LIST}?{query}{more}", READER)
    for name in ("acme/test", "other/admin", "acme/write"):
        talk.say("GET", f"{LIST}?{query}", name)
    for damaged in (cursor[:-1], cursor[1:], cursor + "x", cursor.swapcase()):
        talk.say("GET", f"{LIST}?{urlencode({'cursor': damaged})}", READER)
    talk.say("GET", f"/v1/api-keys?{query}", "acme/admin")


def _single(talk: Talk) -> None:
    page = talk.say("GET", f"{LIST}?limit=1", READER).json()
    data = page["data"]
    assert isinstance(data, list)  # noqa: S101 - the conversation needs one turn
    known = data[0]["interaction_id"]
    for name in (READER, "acme/test", "other/admin"):
        talk.say("GET", f"{LIST}/{known}", name)
    talk.say("GET", f"{LIST}/{known}?x=1", READER)
    for unknown in (
        "int_01J00000000000000000000000",
        "int_1",
        "x",
        known.lower(),
        "a%20b",
        "%F0%9F",
    ):
        talk.say("GET", f"{LIST}/{unknown}", READER)


def aggregates(talk: Talk) -> None:
    """Aggregate turns: in every grouping, with filters and with every invalid parameter."""
    day = talk.instant(0)[:10]
    for grouping in ("", "&group_by=day", "&group_by=week", "&group_by=month"):
        talk.say("GET", f"{AGGREGATES}?from={talk.instant(3 * 86_400)}{grouping}", READER)
        talk.say("GET", f"{AGGREGATES}?from={day}{grouping}&relationship_id=rel_2", READER)
        talk.say("GET", f"{USAGE}?from={talk.instant(200 * 86_400)[:10]}{grouping}", READER)
    talk.say("GET", AGGREGATES, READER)
    talk.say("GET", f"{AGGREGATES}?user_id=u_2", READER)
    talk.say("GET", f"{AGGREGATES}?user_id=nobody", READER)
    for query in WRONG_QUERIES:
        talk.say("GET", f"{AGGREGATES}?{query}", READER)
        talk.say("GET", f"{USAGE}?{query}", READER)


def usage(talk: Talk) -> None:
    """Read usage with several keys, also over invalid ranges."""
    for name in (READER, "acme/test", "other/admin", "small/admin", "open/admin"):
        talk.say("GET", USAGE, name)
        talk.say("GET", "/v1/usage/active-relationships", name)
    talk.say("GET", "/v1/usage/active-relationships?x=1", READER)
    odd = talk.instant(200 * 86_400)
    for query in (
        f"from={odd}",
        "from=2019-12-31",
        "to=2019-12-31",
        "from=2020-01-01",
        "to=2096-01-01",
    ):
        talk.say("GET", f"{USAGE}?{query}", READER)
    talk.say("GET", f"{USAGE}?from=2020-01-01&group_by=month", READER)
