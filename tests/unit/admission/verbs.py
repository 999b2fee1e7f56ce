"""The gate with a method for each operation, as tests call it."""

from collections.abc import Sequence

from app.admission.decision import Decision, TurnCharge
from app.admission.gate import Gate
from app.admission.operations import TAKE_TOKEN, Cancel, Charge, Complete, Reserve
from app.tenancy.model import Principal


class GateVerbs(Gate):
    """A gate; a refused request is a decision, not an error as behind a ticket."""

    def enter(self, principal: Principal) -> Decision:
        """Take a token."""
        return self.decide(principal, TAKE_TOKEN)

    def admit(
        self, principal: Principal, turns: Sequence[TurnCharge] = (), *, tokens: int = 1
    ) -> Decision:
        """Charge `tokens` and `turns`."""
        return self.decide(principal, Charge(turns, tokens))

    def admit_locally(
        self,
        principal: Principal,
        turns: Sequence[TurnCharge] = (),
        *,
        reserved_at_us: int | None = None,
    ) -> Decision:
        """Decide without Redis."""
        return self.decide_locally(principal, Charge(turns, reserved_at_us=reserved_at_us))

    def reserve(self, principal: Principal, turn: TurnCharge, hold_us: int) -> Decision:
        """Hold a turn."""
        return self.decide(principal, Reserve([turn], hold_us=hold_us))

    def complete(self, principal: Principal, turn: TurnCharge, reserved_at_us: int) -> Decision:
        """Charge a turn that may be reserved."""
        return self.decide(principal, Complete([turn], reserved_at_us=reserved_at_us))

    def cancel(
        self,
        principal: Principal,
        turn_key: str,
        reserved_at_us: int,
        *,
        tokens: int = 1,
        blocks_turn: bool = True,
    ) -> Decision:
        """Release the hold of a turn."""
        turns = [TurnCharge(turn_key, 0, None)]
        cancel = Cancel(turns, tokens, reserved_at_us, blocks_turn=blocks_turn)
        return self.decide(principal, cancel)
