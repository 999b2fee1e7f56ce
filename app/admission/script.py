"""Calls the admission script: one round trip each, and loads it when a server has lost it."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError, ResponseError, TryAgainError

from app.admission.counters_fault import counters_fault
from app.admission.decision import ItemCharge, TurnCharge
from app.admission.keys import AccountKeys
from app.admission.ledger import LedgerCount
from app.admission.policy import EXACT_BELOW, BucketPolicy, QuotaPolicy
from app.admission.relationships import RelationshipNames
from app.admission.replies import Reply, Status
from app.admission.script_source import SHA, SOURCE
from app.tenancy.periods import Period

Argument = int | str


class AdmissionScript:
    """The requests and operations of `lua/`; timeouts and errors are those of the client.

    Raises AccountFault if the script cannot use a key of the account. The client decodes replies.
    `names` are those of relationships in Redis.
    """

    def __init__(self, client: Redis, names: RelationshipNames) -> None:
        self.client = client
        self.names = names

    def admit(
        self,
        keys: AccountKeys,
        bucket: BucketPolicy,
        quota: QuotaPolicy,
        turns: Sequence[TurnCharge] = (),
        *,
        tokens: int = 1,
    ) -> Reply:
        """Take `tokens` and charge `turns`, each whole or not at all; nothing if tokens are short.

        These statuses have charged nothing: PERIOD_MISMATCH, and with turns NEED_SEED and BACKLOG.
        """
        limits = _limits(bucket, quota, tokens)
        items = _flat(self._item(keys, turn) for turn in turns)
        return self._run("admit", keys.for_script, [*limits, *items])

    def enter(self, keys: AccountKeys, bucket: BucketPolicy, quota: QuotaPolicy) -> Reply:
        """Take a token, and return counters only if there is none. PERIOD_MISMATCH as `admit`."""
        return self._run("enter", keys.for_script, _limits(bucket, quota))

    def reserve(
        self,
        keys: AccountKeys,
        bucket: BucketPolicy,
        quota: QuotaPolicy,
        turn: TurnCharge,
        *,
        hold_us: int,
        most_open: int,
        previous: AccountKeys | None = None,
    ) -> Reply:
        """Take a token and hold one turn, whatever `turn` costs. Statuses are those of `admit`.

        A turn that is held in the previous period, that of the keys `previous`, is that one.
        """
        before = [previous.turns, previous.holds] if previous else []
        limits = _limits(bucket, quota)
        asked: Sequence[Argument] = (*limits, *self._item(keys, turn), hold_us, most_open)
        return self._run("reserve", [*keys.for_script, *before], asked)

    def complete(
        self,
        keys: AccountKeys,
        bucket: BucketPolicy,
        quota: QuotaPolicy,
        turns: Sequence[TurnCharge],
        *,
        current: AccountKeys,
        tokens: int = 1,
    ) -> Reply:
        """Take `tokens` and charge turns that may be reserved, whatever their period's quota says.

        `current` are the account's keys in its current period. If that is another period, pass one
        turn. These statuses charge nothing: NEED_SEED, and PERIOD_MISMATCH if the period has ended
        and has no entry of the first turn.
        """
        limits = _limits(bucket, quota, tokens)
        other = [current.quota] if current.quota != keys.quota else []
        items = _flat(self._item(keys, turn) for turn in turns)
        return self._run("complete", [*keys.for_script, *other], [*limits, *items])

    def cancel(
        self,
        keys: AccountKeys,
        bucket: BucketPolicy,
        quota: QuotaPolicy,
        turn_key: str,
        *,
        tokens: int = 1,
        blocks_turn: bool = True,
    ) -> Reply:
        """Take `tokens` and end a reservation. NEED_SEED and PERIOD_MISMATCH as `complete`.

        With `blocks_turn` the turn stays in the replay cache as cancelled for minutes.
        """
        limits = _limits(bucket, quota, tokens)
        return self._run("cancel", keys.for_script, [*limits, turn_key, int(blocks_turn)])

    def admit_address(self, bucket_key: str, bucket: BucketPolicy, tokens: int = 1) -> Reply:
        """Take `tokens` from a bucket without quota; 0 only looks."""
        return self._run("admit", [bucket_key], bucket.arguments(tokens))

    def read(self, keys: AccountKeys, period: Period) -> Reply:
        """Return the account's counters and charge nothing. NEED_SEED and PERIOD_MISMATCH occur."""
        return self._run("read", keys.for_script, [period.start_us, period.end_us])

    def is_loaded(self, keys: AccountKeys) -> bool:
        """Return True if the account's counters are loaded, whatever their period."""
        return self._run("read", keys.for_script, [0, EXACT_BELOW]).status is Status.DONE

    def refund(self, keys: AccountKeys, generation: int, items: Iterable[ItemCharge]) -> Reply:
        """Take charges back and return how many; refunded, expired and older ones are left."""
        named = _flat((item.turn_key, item.recorded_at_us) for item in items)
        return self._run("refund", keys.for_script, [generation, *named])

    def stage(
        self,
        keys: AccountKeys,
        staging_key: str,
        references: Iterable[tuple[str, int]],
        stays_ms: int,
    ) -> None:
        """Add references of relationships to what a seed will count. They expire by themselves."""
        self._run("stage", [*keys.for_script, staging_key], [stays_ms, *_flat(references)])

    def seed(
        self,
        keys: AccountKeys,
        quota: QuotaPolicy,
        *,
        counted: LedgerCount,
        newest_recorded_at_us: int,
        relationships_count: int,
        staging_key: str,
    ) -> Reply:
        """Start from the ledger's counts unless loaded; NEED_SEED if staged references are lost."""
        limits = [quota.turns_limit, quota.relationships_limit, quota.uncharged_limit]
        arguments = [quota.period.start_us, quota.period.end_us, *limits, *counted]
        arguments += [newest_recorded_at_us, relationships_count]
        return self._run("seed", [*keys.for_script, staging_key], arguments)

    def release(self, keys: AccountKeys, turn_keys: Iterable[str]) -> int:
        """End the reservations of stored turns, as their expiry would; return how many."""
        return self._run("release", keys.for_script, list(turn_keys)).results[0]

    def set_watermark(self, keys: AccountKeys, newest_recorded_at_us: int) -> int | None:
        """Set the watermark between past and later charges; None if no quota is loaded.

        It is later than the ledger's newest instant, and later charges are later than it.
        """
        reply = self._run("set_watermark", keys.for_script, [newest_recorded_at_us])
        return reply.results[0] if reply.counters else None

    def reconcile(self, keys: AccountKeys, watermark_at_us: int, counted: LedgerCount) -> Reply:
        """Add what the ledger has more than was counted before the watermark; STALE if it moved."""
        return self._run("reconcile", keys.for_script, [watermark_at_us, *counted])

    def correct(
        self, keys: AccountKeys, watermark_at_us: int, corrections: Iterable[tuple[str, int, int]]
    ) -> Reply:
        """Set references (relationship, seen, right) that are as seen. STALE as `reconcile`."""
        return self._run("correct", keys.for_script, [watermark_at_us, *_flat(corrections)])

    def _item(self, keys: AccountKeys, turn: TurnCharge) -> tuple[str, int, str, str]:
        relationship_id = turn.relationship_id
        names = self.names.of(keys.account, relationship_id) if relationship_id else ("", "")
        return turn.turn_key, turn.turns, *names

    def _run(self, operation: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Reply:
        words = (*keys, operation, *arguments)
        try:
            return Reply.parse(self._call(keys, words))
        except ResponseError as error:
            # Outages have subclasses of their own. This is a key of another type.
            if type(error) is ResponseError:
                raise counters_fault(keys, error) from error
            raise

    def _call(self, keys: Sequence[str], words: Sequence[Argument]) -> Any:
        try:
            return self.client.evalsha(SHA, len(keys), *words)
        except NoScriptError:  # the server was restarted or its scripts were flushed
            return self._load_and_run(keys, words)

    def _load_and_run(self, keys: Sequence[str], words: Sequence[Argument]) -> Any:
        self.client.script_load(SOURCE)
        try:
            return self.client.evalsha(SHA, len(keys), *words)
        except NoScriptError:  # flushed once more, or a cluster node that has no slots yet
            raise TryAgainError("the script is missing after it was loaded") from None


def _limits(bucket: BucketPolicy, quota: QuotaPolicy, tokens: int = 1) -> list[int]:
    price = bucket.one_token if tokens == 1 else bucket.arguments(tokens)
    return [*price, *quota.arguments]


def _flat(groups: Iterable[tuple[Argument, ...]]) -> Iterable[Argument]:
    return chain.from_iterable(groups)
