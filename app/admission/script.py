"""Calls the admission script: one round trip each, reloaded when a server has forgotten it."""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha1
from importlib.resources import files
from itertools import chain
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError, ResponseError, TryAgainError

from app.admission.counters_fault import counters_fault
from app.admission.decision import ItemCharge, TurnCharge
from app.admission.keys import AccountKeys
from app.admission.policy import EXACT_BELOW, BucketPolicy, QuotaPolicy
from app.admission.replies import Reply, Status
from app.tenancy.periods import Period

# A call ends as early as it can: in `enter`, without turns in `decide`, and requests in `requests`.
_PARTS = (
    *("prelude", "bucket", "enter", "quota", "lapses", "decide"),
    *("turns", "charges", "waits", "requests", "operations"),
)
_LUA = files("app.admission") / "lua"
SOURCE = "\n".join((_LUA / f"{part}.lua").read_text(encoding="utf-8") for part in _PARTS)
_SHA = sha1(SOURCE.encode()).hexdigest()  # noqa: S324 - so the server names a script

Argument = int | str


class AdmissionScript:
    """The requests and operations of `lua/`; time-outs and errors are those of the client.

    AccountFault if a key of the account holds what the script cannot use.

    The client decodes replies. `test_now_us` moves the clock in tests; in production it is the
    server's own.
    """

    def __init__(self, client: Redis, test_now_us: Callable[[], int] | None = None) -> None:
        self.client = client
        self._test_now_us = test_now_us

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

        NEED_SEED and AGAIN (only if there are turns) and PERIOD_MISMATCH have charged nothing.
        """
        limits = [*bucket.arguments(tokens), *quota.arguments]
        items = _flat(_item(turn) for turn in turns)
        return self._run("admit", keys.for_script, [*limits, *items])

    def enter(self, keys: AccountKeys, bucket: BucketPolicy, quota: QuotaPolicy) -> Reply:
        """Take a token; counters are told only if there is none. PERIOD_MISMATCH as `admit`."""
        return self._run("enter", keys.for_script, [*bucket.arguments(1), *quota.arguments])

    def reserve(
        self,
        keys: AccountKeys,
        bucket: BucketPolicy,
        quota: QuotaPolicy,
        turn: TurnCharge,
        *,
        hold_us: int,
        most_open: int,
        former: AccountKeys | None = None,
    ) -> Reply:
        """Take a token and hold one turn, whatever `turn` costs; NEED_SEED and so on as `admit`.

        A turn that is held in the period of the keys `former` is that reservation.
        """
        before = [former.turns, former.holds] if former else []
        limits = [*bucket.arguments(1), *quota.arguments]
        asked: list[Argument] = [turn.turn_key, turn.relationship_id or "", hold_us, most_open]
        return self._run("reserve", [*keys.for_script, *before], [*limits, *asked])

    def complete(
        self,
        keys: AccountKeys,
        bucket: BucketPolicy,
        quota: QuotaPolicy,
        turn: TurnCharge,
        *,
        present: AccountKeys,
    ) -> Reply:
        """Take a token and charge a turn that may be reserved, whatever its period's quota says.

        `present` are the account's keys in its present period. NEED_SEED has charged nothing, nor
        has PERIOD_MISMATCH: the period has ended and knows nothing of the turn.
        """
        limits = [*bucket.arguments(1), *quota.arguments]
        other = [present.quota] if present.quota != keys.quota else []
        return self._run("complete", [*keys.for_script, *other], [*limits, *_item(turn)])

    def cancel(
        self,
        keys: AccountKeys,
        bucket: BucketPolicy,
        quota: QuotaPolicy,
        turn_key: str,
        *,
        tokens: int = 1,
        is_remembered: bool = True,
    ) -> Reply:
        """Take `tokens` and give a reservation back, `is_remembered` as cancelled for a while.

        NEED_SEED has done nothing, nor has PERIOD_MISMATCH, as `complete`.
        """
        limits = [*bucket.arguments(tokens), *quota.arguments]
        return self._run("cancel", keys.for_script, [*limits, turn_key, int(is_remembered)])

    def admit_address(self, bucket_key: str, bucket: BucketPolicy, tokens: int = 1) -> Reply:
        """Take `tokens` from a bucket without quota; 0 only looks."""
        return self._run("admit", [bucket_key], bucket.arguments(tokens))

    def read(self, keys: AccountKeys, period: Period) -> Reply:
        """The account's counters, uncharged; NEED_SEED or PERIOD_MISMATCH as `admit`."""
        return self._run("read", keys.for_script, [period.start_us, period.end_us])

    def is_loaded(self, keys: AccountKeys) -> bool:
        """Whether the account's counters are there, in whatever period."""
        return self._run("read", keys.for_script, [0, EXACT_BELOW]).status is Status.DONE

    def refund(self, keys: AccountKeys, generation: int, items: Iterable[ItemCharge]) -> Reply:
        """Take charges back and tell how many; gone, refunded or older ones are left alone."""
        named = _flat((item.turn_key, item.recorded_at_us) for item in items)
        return self._run("refund", keys.for_script, [generation, *named])

    def stage(
        self,
        keys: AccountKeys,
        staging_key: str,
        references: Iterable[tuple[str, int]],
        stays_ms: int,
    ) -> None:
        """Add references of relationships to what a seeding is to count; they go by themselves."""
        self._run("stage", [*keys.for_script, staging_key], [stays_ms, *_flat(references)])

    def seed(
        self,
        keys: AccountKeys,
        quota: QuotaPolicy,
        *,
        turns: int,
        newest_recorded_at_us: int,
        relationships_count: int,
        staging_key: str,
    ) -> Reply:
        """Start from the ledger's counts unless somebody has; NEED_SEED if staging is cut short."""
        start_us, end_us, turns_limit, relationships_limit, _ = quota.arguments
        arguments = [start_us, end_us, turns_limit, relationships_limit]
        counted = [turns, newest_recorded_at_us, relationships_count]
        return self._run("seed", [*keys.for_script, staging_key], [*arguments, *counted])

    def release(self, keys: AccountKeys, turn_keys: Iterable[str]) -> int:
        """End the reservations of stored turns, as a lapse would; how many there were."""
        return self._run("release", keys.for_script, list(turn_keys)).results[0]

    def mark(self, keys: AccountKeys, newest_recorded_at_us: int) -> int | None:
        """Part past charges from those to come: the instant, or None if no quota is loaded.

        It is later than the ledger's newest one, and so is every instant given out from now on.
        """
        reply = self._run("mark", keys.for_script, [newest_recorded_at_us])
        return reply.results[0] if reply.counters else None

    def reconcile(self, keys: AccountKeys, mark_at_us: int, ledger_turns: int) -> Reply:
        """Add what the ledger holds more than was charged before the mark; STALE if it moved on."""
        return self._run("reconcile", keys.for_script, [mark_at_us, ledger_turns])

    def mend(
        self, keys: AccountKeys, mark_at_us: int, corrections: Iterable[tuple[str, int, int]]
    ) -> Reply:
        """Set references (relationship, seen, right) where they are as seen; STALE as above."""
        return self._run("mend", keys.for_script, [mark_at_us, *_flat(corrections)])

    def _run(self, operation: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Reply:
        test_now = "" if self._test_now_us is None else self._test_now_us()
        words: Any = (*keys, operation, test_now, *arguments)
        try:
            return Reply.parse(self._call(keys, words))
        except ResponseError as error:
            # Outages have types of their own: the script has met a key of another kind.
            if type(error) is ResponseError:
                raise counters_fault(keys, error) from error
            raise

    def _call(self, keys: Sequence[str], words: Sequence[Any]) -> Any:
        try:
            return self.client.evalsha(_SHA, len(keys), *words)
        except NoScriptError:  # the server was restarted, or told to forget
            return self._load_and_run(keys, words)

    def _load_and_run(self, keys: Sequence[str], words: Sequence[Any]) -> Any:
        self.client.script_load(SOURCE)
        try:
            return self.client.evalsha(_SHA, len(keys), *words)
        except NoScriptError:  # told to forget once more, or a cluster's node without slots yet
            raise TryAgainError("the script is gone again") from None


def _item(turn: TurnCharge) -> tuple[str, int, str]:
    return turn.turn_key, turn.turns, turn.relationship_id or ""


def _flat(groups: Iterable[tuple[Argument, ...]]) -> Iterable[Argument]:
    return chain.from_iterable(groups)
