"""Reservations: hold a turn of the quota before it is run, then complete or cancel it.

Promises
    * A reservation is granted only if the quota has room for its turn and its relationship.
    * The same `turn_id` again is the same reservation, with the same id and expiry.
    * A completion is never refused for quota, and costs nothing that its hold did not cover.
    * A batch of completions ends as the same completions one by one.
    * A cancelled turn costs nothing, and is refused for minutes afterwards.
    * A hold that is neither completed nor cancelled expires by itself, unbilled.

Invariants
    * A reservation is in Redis alone: MongoDB gets the turn when it is complete.
    * Its id is that of the turn trace to come. It contains the turn's key, and the instant whose
      billing period is charged.
    * A turn is recorded, reserved or cancelled: of a completion and a cancel, one wins.

Failures
    While Redis is unavailable a reservation is granted without a hold, a completion is stored
    without a charge, and a cancel is refused with CountersUnavailable. With `needs_charge` all
    three are refused. `errors.py` declares the errors; all are ReservationError.
"""
