"""Call the admission script of the release before uncharged turns were counted."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

from redis import Redis

from app.admission.decision import ItemCharge, TurnCharge
from app.admission.keys import AccountKeys
from app.admission.policy import BucketPolicy, QuotaPolicy
from tests.script_clock import CLOCK

SOURCE = (Path(__file__).parent / "admission.lua").read_text()
# The results of a call follow these seven values; those of a decision follow three more.
_COMMON, _BUCKET = 7, 3


class EarlierScript:
    """The operations that change counters, with the arguments of that release."""

    def __init__(
        self, client: Redis, keys: AccountKeys, quota: QuotaPolicy, now_us: Callable[[], int]
    ) -> None:
        self._run_script = client.register_script(CLOCK + SOURCE)
        self._now_us = now_us
        self._keys = list(keys.for_script)
        self._quota = quota

    def _limits(self) -> list[int]:
        bucket = BucketPolicy(Fraction(1_000_000), 1_000_000)
        return [*bucket.arguments(1), *self._quota.arguments[:5]]

    def admit(self, turn: TurnCharge) -> tuple[int, int, int]:
        """Charge a turn; return verdict, instant and whether the relationship was counted."""
        return self._decide("admit", *self._item(turn))

    def reserve(self, turn: TurnCharge, hold_us: int) -> tuple[int, int, int]:
        """Hold a turn; return as `admit`."""
        name = turn.relationship_id or ""
        return self._decide("reserve", turn.turn_key, name, hold_us, 100_000)

    def complete(self, turn: TurnCharge) -> tuple[int, int, int]:
        """Charge a turn that may be reserved; return as `admit`."""
        return self._decide("complete", *self._item(turn))

    def refund(self, generation: int, item: ItemCharge) -> int:
        """Take a charge back; return how many."""
        named = [item.turn_key, item.recorded_at_us]
        return int(self._run("refund", generation, *named)[_COMMON])

    def reconcile(self, newest_us: int, turns: int) -> int:
        """Set the watermark and compare, with nothing in flight; return the drift."""
        watermark_at = int(self._run("set_watermark", newest_us)[_COMMON])
        return int(self._run("reconcile", watermark_at, turns)[_COMMON])

    def seed(self, turns: int, newest_us: int, references: Iterable[tuple[str, int]] = ()) -> None:
        """Start a generation from the ledger's counts."""
        staging = f"{self._keys[1]}:staging:earlier"
        known = list(references)
        if known:
            staged = [value for pair in known for value in pair]
            self._run("stage", 60_000, *staged, keys=[*self._keys, staging])
        limits = self._quota.arguments[:4]
        counted = [turns, newest_us, len(known)]
        self._run("seed", *limits, *counted, keys=[*self._keys, staging])

    def _item(self, turn: TurnCharge) -> tuple[str, int, str]:
        return turn.turn_key, turn.turns, turn.relationship_id or ""

    def _decide(self, operation: str, *arguments: Any) -> tuple[int, int, int]:
        reply = self._run(operation, *self._limits(), *arguments)
        verdict, recorded_at, counted = map(int, reply[_COMMON + _BUCKET :][:3])
        return verdict, recorded_at, counted

    def _run(self, operation: str, *arguments: Any, keys: list[str] | None = None) -> list[Any]:
        reply: list[Any] = self._run_script(
            keys=keys or self._keys, args=[operation, *arguments, self._now_us()]
        )
        assert int(reply[0]) == 0, f"{operation}: status {reply[0]}"
        return reply
