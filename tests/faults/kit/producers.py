"""Run producers that resend a turn until its outcome is known."""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from threading import Event, Lock
from typing import Any

from app.http.instants import format_ms
from app.interactions.ids import find_ulid, instant_ms
from app.reservations.schemas import MIN_HOLD_S
from tests.callers import LIST, TURNS, Caller
from tests.faults.kit.load import NO_ANSWER, Send, Shot, has_quota, shoot
from tests.turns import Body, body

RETRY_AFTER_S = 0.05
# After this a producer, and with it the test, fails.
KNOWN_WITHIN_S = 60
# This many turns are running while others are reserved: reservations span the faults.
RUNNING_COUNT = 12
_ASKED = ("turn_id", "mode", "personality_id", "user_id", "relationship_id")


class Fate(Enum):
    """The kinds of turns that a producer makes."""

    RECORDED = auto()  # after the turn, in one request
    COMPLETED = auto()  # reserved, run and completed
    CANCELLED = auto()  # reserved and cancelled
    LEFT = auto()  # reserved and neither completed nor cancelled


# Every third turn is reserved and completed, some are cancelled, a few are left to expire.
MIXED = (
    *(Fate.COMPLETED, Fate.RECORDED, Fate.RECORDED),
    *(Fate.COMPLETED, Fate.RECORDED, Fate.CANCELLED),
    *(Fate.COMPLETED, Fate.RECORDED, Fate.CANCELLED),
    *(Fate.COMPLETED, Fate.RECORDED, Fate.LEFT),
)


@dataclass(frozen=True, slots=True)
class Granted:
    """A granted reservation and its turn."""

    recording: Body
    fate: Fate
    shot: Shot
    interaction_id: str
    is_held: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """A stored turn: what was sent, the answer, its item, its reservation if any."""

    recording: Body
    shot: Shot
    item: dict[str, Any]
    granted: Granted | None = None

    @property
    def is_degraded(self) -> bool:
        """Return True if it was reserved or recorded without a quota decision."""
        return self.shot.is_degraded or (self.granted is not None and not self.granted.is_held)

    @property
    def began_at_s(self) -> float:
        """Return when its first request was due (monotonic)."""
        return (self.granted.shot if self.granted else self.shot).due_at_s


class Producers:
    """Send turns of each kind in rotation, each repeatedly until its outcome is known.

    `make` receives the number of the turn. A reserved turn is completed or cancelled some turns
    later; `settle_running` does so for those still `running` at the end.
    """

    def __init__(
        self,
        send: Send,
        make: Callable[[int], Body] = lambda _: body(),
        fates: Sequence[Fate] = (Fate.RECORDED,),
        *,
        hold_s: int = MIN_HOLD_S,
    ) -> None:
        self.shots: list[Shot] = []
        self.accepted: list[Accepted] = []
        self.refused: list[Shot] = []
        self.running: deque[Granted] = deque()
        self.cancelled: list[Granted] = []
        self.left: deque[Granted] = deque()
        self.send, self.make, self.fates, self.hold_s = send, make, fates, hold_s
        self._lock, self._pause = Lock(), Event()

    def __call__(self, number: int) -> None:
        """Record or reserve one turn, and complete or cancel an earlier reservation."""
        fate, recording = self.fates[number % len(self.fates)], self.make(number)
        if fate is Fate.RECORDED:
            self._record(recording)
        elif granted := self._reserve(recording, fate):
            (self.left if fate is Fate.LEFT else self.running).append(granted)
        if granted := self._find_run():
            self._settle(granted)

    def settle_running(self) -> None:
        """Complete or cancel all running turns."""
        while self.running:
            self._settle(self.running.popleft())

    def complete_left(self, count: int) -> None:
        """Complete the oldest of the left reservations, late."""
        for _ in range(count):
            self._complete(self.left.popleft())

    def statuses(self) -> dict[int, int]:
        """Return the number of answers by status, 0 for no answer."""
        return dict(sorted(Counter(shot.status for shot in self.shots).items()))

    def outcome(self) -> dict[str, int]:
        """Return the number of turns by outcome."""
        recorded_count = [each.granted for each in self.accepted].count(None)
        return {
            "recorded": recorded_count,
            "completed": len(self.accepted) - recorded_count,
            "cancelled": len(self.cancelled),
            "left": len(self.left),
            "refused": len(self.refused),
        }

    def broken(self) -> list[Shot]:
        """Return the requests without an answer."""
        return [shot for shot in list(self.shots) if shot.status == NO_ANSWER]

    def assert_all_are_stored_once(self, caller: Caller) -> None:
        """Check that the ledger holds exactly the accepted turns, each as it was sent."""
        assert not self.running
        stored = {item["interaction_id"]: item for item in caller.list_all()}
        recording = {accepted.item["interaction_id"]: accepted for accepted in self.accepted}
        assert stored.keys() == recording.keys()
        assert caller.rows_count() == len(self.accepted) == len(recording)
        for name, accepted in recording.items():
            assert stored[name] == accepted.item
            assert stored[name]["created_at"] == _created_at(accepted)
            sent = accepted.recording
            assert all(
                stored[name][field] == sent[field] for field in sent if field in stored[name]
            )

    def _record(self, recording: Body) -> None:
        shot, item = self._known("POST", LIST, recording, {200, 201, 429})
        if shot.status == 429:
            self._refuse(shot, item)
        else:
            self.accepted.append(Accepted(recording, shot, item))

    def _reserve(self, recording: Body, fate: Fate) -> Granted | None:
        """Reserve the turn; return None if the quota refuses it."""
        asked = {name: recording[name] for name in _ASKED if name in recording}
        wanted = asked | {"hold_seconds": self.hold_s}
        shot, item = self._known("POST", TURNS, wanted, {200, 201, 429})
        if shot.status == 429:
            self._refuse(shot, item)
            return None
        assert item["expires_at"] == format_ms(_instant_ms(item) + 1_000 * self.hold_s)
        trace = {name: value for name, value in recording.items() if name != "occurred_at"}
        return Granted(trace, fate, shot, item["interaction_id"], item["quota"] is not None)

    def _refuse(self, shot: Shot, item: Any) -> None:
        assert item["error"]["code"] == "quota_exhausted", item
        self.refused.append(shot)

    def _find_run(self) -> Granted | None:
        """Return the oldest running turn, if enough others are running."""
        with self._lock:
            return self.running.popleft() if len(self.running) > RUNNING_COUNT else None

    def _settle(self, granted: Granted) -> None:
        if granted.fate is Fate.COMPLETED:
            self._complete(granted)
        else:
            self._known("DELETE", f"{TURNS}/{granted.interaction_id}", None, {204})
            self.cancelled.append(granted)

    def _complete(self, granted: Granted) -> None:
        path = f"{TURNS}/{granted.interaction_id}"
        shot, item = self._known("PUT", path, granted.recording, {200, 201})
        assert item["interaction_id"] == granted.interaction_id
        self.accepted.append(Accepted(granted.recording, shot, item, granted))

    def _known(
        self, method: str, path: str, recording: Body | None, answers: set[int]
    ) -> tuple[Shot, Any]:
        """Retry until one of these answers comes; raise AssertionError at any other."""
        deadline, statuses = time.monotonic() + KNOWN_WITHIN_S, []
        while True:
            shot, item = shoot(lambda: self.send(method, path, json=recording))
            self.shots.append(shot)
            statuses.append(shot.status)
            is_known_later = shot.status in (NO_ANSWER, 503) or _is_asked_to_wait(shot, item)
            if not is_known_later:
                assert shot.status in answers, (method, shot, item)
                return shot, item
            assert time.monotonic() < deadline, f"not known in {KNOWN_WITHIN_S} s: {statuses}"
            self._pause.wait(RETRY_AFTER_S)


def _is_asked_to_wait(shot: Shot, item: Any) -> bool:
    """Return True if a worker without Redis has used up its small share of the rate.

    Redis itself admits the whole rate, which no producer exceeds.
    """
    is_limited = shot.status == 429 and item["error"]["code"] == "rate_limit_exceeded"
    return is_limited and not has_quota(shot)


def _created_at(accepted: Accepted) -> str:
    """Return the instant that the turn must have: its producer's, or its reservation's."""
    if accepted.granted is None:
        return str(accepted.recording["occurred_at"])
    return format_ms(_instant_ms(accepted.item))


def _instant_ms(item: dict[str, Any]) -> int:
    ulid = find_ulid(item["interaction_id"])
    assert ulid is not None
    return instant_ms(ulid)
