"""Requests of several tokens: charged whole or not at all, with a wait that is exactly enough."""

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.admission.decision import Decision, Outcome
from app.admission.errors import RateLimited
from app.admission.ticket import AdmissionTicket
from app.tenancy.model import Limits
from tests.unit.admission.world import SECOND_US, Hand, World, limits, principal, turn

shared_redis = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
rates, bursts, prices = st.integers(1, 7), st.sampled_from([1, 5, 10, 50]), st.integers(1, 10)


def charge(world: World, in_force: Limits, tokens: int) -> Decision:
    """Charge a request, which may be refused by rate, and return the decision."""
    ticket = AdmissionTicket(world.gate, principal(in_force))
    with suppress(RateLimited):
        ticket.charge(tokens=tokens)
    return ticket.made


@shared_redis
@given(rate=rates, burst=bursts, sent=st.lists(st.tuples(st.integers(0, SECOND_US), prices)))
def test_no_interval_admits_more_tokens_than_burst_and_refill(
    world: World, hand: Hand, rate: int, burst: int, sent: list[tuple[int, int]]
) -> None:
    world.client.flushdb()
    in_force, paid = limits(rate=rate, burst=burst), []
    for gap_us, tokens in sent:
        hand.us += gap_us
        if charge(world, in_force, tokens).outcome is Outcome.ADMITTED:
            paid.append((hand.us, min(tokens, burst)))
    for first, (start_us, _) in enumerate(paid):
        spent = 0
        for end_us, tokens in paid[first:]:
            spent += tokens
            assert spent <= burst + Fraction(rate * (end_us - start_us), SECOND_US)


@shared_redis
@given(rate=rates, burst=bursts, tokens=prices, phase_us=st.integers(0, 2 * SECOND_US))
def test_the_wait_for_a_price_is_tight_to_the_microsecond(
    world: World, hand: Hand, rate: int, burst: int, tokens: int, phase_us: int
) -> None:
    world.client.flushdb()
    in_force = limits(rate=rate, burst=burst)
    charge(world, in_force, burst)
    hand.us += phase_us
    refused = charge(world, in_force, tokens)
    if refused.outcome is Outcome.ADMITTED:
        return
    hand.us += refused.bucket.retry_after_us - 1
    early = charge(world, in_force, tokens)
    assert (early.outcome, early.bucket.retry_after_us) == (Outcome.RATE_LIMITED, 1)
    hand.us += 1
    assert charge(world, in_force, tokens).outcome is Outcome.ADMITTED


@pytest.mark.parametrize("tokens", [1, 9, 10, 11, 1_000])
def test_a_price_above_the_burst_is_the_burst(world: World, tokens: int) -> None:
    decision = charge(world, limits(rate=1, burst=10), tokens)
    assert decision.tokens == min(10, tokens)
    assert decision.bucket.remaining == 10 - min(10, tokens)


def test_a_request_whose_price_is_not_there_charges_no_turn_and_no_token(world: World) -> None:
    in_force = limits(rate=1, burst=10)
    charge(world, in_force, 1)
    ticket = AdmissionTicket(world.gate, principal(in_force))
    with pytest.raises(RateLimited) as refused:
        ticket.charge([turn("turn_a"), turn("turn_b")], tokens=10)
    assert (refused.value.wait_us, refused.value.tokens) == (SECOND_US, 10)
    assert ticket.made.items == ()
    assert world.gate.quota(principal()).turns_used == 0
    assert charge(world, in_force, 9).bucket.remaining == 0


def test_further_chunks_take_no_token_also_on_an_empty_bucket(world: World) -> None:
    ticket = AdmissionTicket(world.gate, principal(limits(rate=1, burst=5)))
    ticket.charge([turn("turn_a")], tokens=10)
    more = ticket.charge_more([turn("turn_b")])
    assert (more.outcome, more.bucket.remaining) == (Outcome.ADMITTED, 0)
    assert ticket.made.tokens == 5
    assert world.gate.quota(principal()).turns_used == 2
