"""One side of the comparison: a commit and its servers, from the first to the last request."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from devkit.bundled import BundledServer, running_mongod, running_redis
from devkit.children import stop
from scripts.lib.conversation.checkout import Checkout, checked_out, environ_of
from scripts.lib.conversation.exchange import Exchange
from scripts.lib.conversation.names import Names
from scripts.lib.conversation.parts.keys import keys
from scripts.lib.conversation.parts.limits import buckets, in_flight, open_reservations, quota
from scripts.lib.conversation.parts.outages import strict, without_mongodb, without_redis
from scripts.lib.conversation.parts.public import authentication, public
from scripts.lib.conversation.parts.reading import aggregates, reading, usage
from scripts.lib.conversation.parts.recording import batches, recording
from scripts.lib.conversation.parts.reservations import expired, reservations, short_holds
from scripts.lib.conversation.setup import prepare, prepare_strict
from scripts.lib.conversation.stored import mongodb_lines, redis_lines
from scripts.lib.conversation.talk import LIST, Talk, now_ms

HOLD_S = 11
# A revocation reaches every worker within five seconds.
REVOKED_S = 6
# Redis drops a bucket a second after it is full.
BUCKETS_GONE_S = 2


@dataclass(slots=True)
class Recorded:
    """The record of a side: its answers, and the stored data at several moments."""

    exchanges: list[Exchange]
    stored: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class _Side:
    checkout: Checkout
    mongodb: BundledServer
    redis: BundledServer
    names: Names
    environ: Mapping[str, str]
    strict_environ: Mapping[str, str]
    stored: dict[str, list[str]] = field(default_factory=dict)

    def look(self, moment: str, *, at_redis: bool = True) -> None:
        """Record the data that is stored now."""
        for name, environ in (("web", self.environ), ("strict", self.strict_environ)):
            if at_redis:
                title = f"redis of {name} {moment}"
                self.names.begin(title)
                self.stored[title] = redis_lines(environ["REDIS_URL"], self.names)
            title = f"mongodb of {name} {moment}"
            self.names.begin(title)
            self.stored[title] = mongodb_lines(environ["MONGODB_URI"], self.names)


def recorded(commit: str, folder: Path, base_ms: int) -> Recorded:
    """Hold the conversation with `commit`; `folder` keeps its files and logs."""
    with ExitStack() as stack:
        side = _opened(stack, commit, folder)
        tokens = prepare(side.checkout, side.environ, side.names, base_ms)
        tokens |= prepare_strict(side.checkout, side.strict_environ, side.names)
        serving = side.checkout.serving
        ports = {
            "web": stack.enter_context(serving(side.environ, folder / "web.log", "gunicorn")),
            "strict": stack.enter_context(
                serving(side.strict_environ, folder / "strict.log", "granian")
            ),
        }
        tokens["operator"] = side.environ["OPERATOR_TOKEN"]
        talk = Talk(ports, tokens, base_ms, side.names)
        _hold(talk, side)
        return Recorded(talk.exchanges, side.stored)


def _opened(stack: ExitStack, commit: str, folder: Path) -> _Side:
    checkout = stack.enter_context(checked_out(commit, folder / "checkout"))
    mongodb = stack.enter_context(running_mongod(folder / "mongod", is_ephemeral=True))
    redis = stack.enter_context(running_redis(folder / "redis", is_ephemeral=True))
    environ = environ_of(mongodb.url, redis.url)
    strict_environ = environ_of(
        mongodb.url.replace("/turnledger?", "/turnledger_strict?"),
        redis.url.replace("/0", "/1"),
        IP_LIMIT="5 per hour",
        QUOTA_ON_REDIS_FAILURE="deny",
    )
    names = Names(now_ms())
    return _Side(checkout, mongodb, redis, names, environ, strict_environ)


def _hold(talk: Talk, side: _Side) -> None:
    public(talk)
    authentication(talk)
    buckets(talk)
    side.look("with an empty bucket")
    recording(talk)
    batches(talk)
    revoked = keys(talk)
    revoked_at = time.monotonic()
    reservations(talk)
    quota(talk)
    open_reservations(talk)
    reading(talk)
    aggregates(talk)
    strict(talk)
    in_flight(talk)
    _sleep_until(revoked_at + REVOKED_S)
    talk.say("GET", LIST, headers={"Authorization": f"Bearer {revoked['token']}"})
    short = short_holds(talk)
    time.sleep(HOLD_S)
    expired(talk, short)
    usage(talk)
    time.sleep(BUCKETS_GONE_S)
    side.look("before maintenance")
    side.checkout.run(side.environ, ["archive", "run"], ["quota", "reconcile"])
    usage(talk)
    time.sleep(BUCKETS_GONE_S)
    side.look("after maintenance")
    stop(side.redis.process)
    without_redis(talk)
    side.look("without Redis", at_redis=False)
    stop(side.mongodb.process)
    without_mongodb(talk)


def _sleep_until(at_s: float) -> None:
    time.sleep(max(0.0, at_s - time.monotonic()))
