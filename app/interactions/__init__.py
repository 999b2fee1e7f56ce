"""Turn traces: recorded once, listed fast, without any text of a conversation.

Terms
    A *turn trace* records one turn: its user, its instant, its duration and its consumption.
    A *listing* is a sequence of pages that starts at one instant, newest turns first.
    An *export* is a listing in one answer, which can be resumed.

Promises
    * A turn that is sent again is found, not stored twice, and costs nothing.
    * Other content under the same `turn_id` is a TurnConflict; nothing is overwritten.
    * A listing shows each turn acknowledged before its start exactly once, and no later turns.
    * An export has the turns of a listing, in constant memory. Its last line proves that it is
      complete, and without that line its connection breaks off.
    * A page costs the same however many turns the account has, and wherever the page lies.

Invariants
    * An id is made of the turn's instant and a keyed hash of account and `turn_id`.
    * A turn is charged before it is stored, and its row carries the instant of the charge.
    * Only a charge whose turn was definitely not stored is refunded (`attempts.py`).

Failures
    A lost reply of MongoDB leaves the charge in place until reconciliation. In a batch each
    element has its own error. `errors.py` declares the errors; all are InteractionError.
"""
