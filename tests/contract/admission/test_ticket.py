"""A ticket charges one request once, and its decision follows each verb."""

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from app.admission.decision import Outcome, Verdict
from app.admission.errors import CountersUnavailable, RateLimited, TooManyReservations
from app.admission.headers import limit_headers
from app.admission.policy import most_reservations
from app.admission.ticket import AdmissionTicket
from app.tenancy.model import Limits
from tests.contract.admission.reserving import HOLD_US, counts
from tests.unit.admission.world import World, limits, principal, turn

A, B = turn("turn_a", 2, "rel_a"), turn("turn_b", 1, "rel_b")


def ticket_of(world: World, in_force: Limits | None = None) -> AdmissionTicket:
    return AdmissionTicket(world.gate, principal(in_force))


def stop_redis(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RedisConnectionError

    monkeypatch.setattr(world.script, "_run", fail)


def test_before_its_charge_a_ticket_has_no_decision_and_no_headers(world: World) -> None:
    ticket = ticket_of(world)
    assert ticket.decision is None
    assert limit_headers(ticket, shows_quota=True) == {}
    with pytest.raises(AssertionError, match="not charged yet"):
        ticket.quota()


def test_the_decision_follows_charges_and_refunds(world: World) -> None:
    ticket = ticket_of(world, limits(burst=10))
    first = ticket.charge([A])
    more = ticket.charge_more([B])
    assert counts(ticket.made) == (3, 0)
    assert (ticket.made.bucket.remaining, ticket.made.items) == (9, first.items)
    ticket.refund(more, [more.items[0]])
    assert counts(ticket.made) == (2, 0)
    assert ticket.quota().turns_used == 2


def test_an_empty_bucket_is_an_error_and_still_the_decision(world: World) -> None:
    tight = limits(rate=1, burst=1)
    ticket_of(world, tight).take_token()
    ticket = ticket_of(world, tight)
    with pytest.raises(RateLimited) as refused:
        ticket.charge([A])
    assert refused.value.wait_us == 1_000_000
    assert ticket.made.outcome is Outcome.RATE_LIMITED
    assert "X-Quota-Turns-Used" not in limit_headers(ticket, shows_quota=False)


def test_a_refusal_of_a_turn_by_quota_is_no_error(world: World) -> None:
    decision = ticket_of(world, limits(turns=1)).charge([A])
    assert decision.outcome is Outcome.QUOTA_EXHAUSTED
    assert [item.verdict for item in decision.items] == [Verdict.TURNS_EXHAUSTED]


def test_too_many_reservations_are_an_error(world: World) -> None:
    tight = limits(rate=1_000, burst=1)
    for number in range(most_reservations(tight)):
        ticket_of(world, tight).reserve(turn(f"turn_{number}"), HOLD_US)
        world.hand.us += 1_000
    with pytest.raises(TooManyReservations) as refused:
        ticket_of(world, tight).reserve(turn("turn_x"), HOLD_US)
    assert refused.value.limit == most_reservations(tight)


def test_a_withdrawn_reservation_takes_no_token_and_holds_nothing(world: World) -> None:
    ticket = ticket_of(world, limits(burst=10))
    reserved = ticket.reserve(B, HOLD_US)
    assert counts(reserved) == (0, 1)
    ticket.withdraw(B.turn_key, reserved.items[0].recorded_at_us)
    assert counts(ticket.made) == (0, 0)
    assert world.gate.admit(principal(limits(burst=10)), tokens=0).bucket.remaining == 9
    assert ticket_of(world).reserve(B, HOLD_US).items[0].verdict is Verdict.CHARGED


def test_a_request_waits_for_redis_at_most_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = ticket_of(world)
    with monkeypatch.context() as broken:
        stop_redis(world, broken)
        assert ticket.charge([A]).is_local
    assert ticket.charge_more([B]).is_local
    assert world.gate.quota(principal()).turns_used == 0
    with pytest.raises(CountersUnavailable):
        ticket.quota()
    assert ticket.find_quota() is None


def test_a_cancel_without_redis_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reserved = ticket_of(world).reserve(B, HOLD_US)
    with monkeypatch.context() as broken:
        stop_redis(world, broken)
        ticket = ticket_of(world)
        with pytest.raises(CountersUnavailable):
            ticket.cancel(B.turn_key, reserved.items[0].recorded_at_us)
        assert ticket.made.items == ()
    assert world.gate.quota(principal()).turns_reserved == 1


@pytest.mark.parametrize(
    ("counts_as_rate_limited", "outcome"), [(False, Outcome.ADMITTED), (True, Outcome.RATE_LIMITED)]
)
def test_a_refused_request_is_charged_and_shows_the_quota(
    world: World, outcome: Outcome, *, counts_as_rate_limited: bool
) -> None:
    world.record(principal(), A)
    ticket = ticket_of(world, limits(burst=10))
    ticket.charge_for_refusal(counts_as_rate_limited=counts_as_rate_limited)
    assert (ticket.made.outcome, ticket.made.bucket.remaining) == (outcome, 9)
    assert limit_headers(ticket, shows_quota=True)["X-Quota-Turns-Used"] == "2"
