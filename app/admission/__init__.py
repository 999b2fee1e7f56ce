"""Admission: rate limits, quotas and reservations, decided in one call to Redis.

Terms
    A *bucket* is the token bucket of an organization or of a client address.
    A *quota* is what an account may use in a billing period: turns, uncharged turns and active
    relationships.
    A *charge* uses quota. It names its turn, and has an instant (`recorded_at`) of its own.
    An *uncharged turn* costs 0 turns. A charge counts it too, towards a ceiling of its own.
    A *reservation* holds one turn of the quota until it is completed, cancelled or expires.
    The *ledger* is the turns in MongoDB. It is the truth; the counters in Redis are a fast copy.
    A *generation* is one life of an account's counters, from seeding to loss.
    The *watermark* is the instant of the last reconciliation. It divides the charges in two.

Promises
    * A request with a key costs one call of the script, which decides bucket and quota together.
    * A refusal by rate charges nothing. A refusal by quota charges the tokens only.
    * A turn is charged once, however often and by however many senders it is recorded.
    * A client that waits `Retry-After` is admitted, if no other request takes its tokens.
    * A reservation that is completed in time is never refused for the turn that it holds.

Invariants
    * Used and reserved turns never exceed the limit, unless the plan allows overage, a completion
      comes after its hold has expired, or Redis lost its data or was unavailable.
    * Instants of one account only grow: a charge is later than every charge before it.
    * A missing counter is never zero: the script answers NEED_SEED, and the ledger is counted. Only
      a counter that a later release has added reads as 0, until the next reconciliation.
    * Every account has a bound on uncharged turns and one on relationships, also under overage.
    * The counters equal the ledger after one reconciliation, whatever happened before.
    * Keys of an organization share one slot of a Redis cluster, and each of them expires.

Algorithm
    A ticket (`ticket.py`) is the admission of one request; it asks the gate for decisions.
    The gate (`gate.py`) finds the billing period and its keys, calls the script (`script.py`,
    `lua/`), and calls it again as the status requires: seed the counters first (`seeding.py`), use
    the period of the server's clock, or clear a backlog of expired entries.
    The bucket's level is an exact integer, tokens times period, so it never drifts. The script
    keeps the turns of the last minutes: a repeated turn finds its charge (verdict REPLAYED).
    Reconciliation (`reconcile.py`) sets a watermark, waits until requests in flight are over,
    counts the ledger up to the watermark, and corrects the counters by the difference.

Concurrency
    The script is atomic, so no lock is held on the way of a request. One seeder works for an
    account at a time; a second one would do no harm. `concurrency.py` limits the requests of one
    organization that are in flight in a worker.

Failures
    | what fails | what happens |
    | --- | --- |
    | Redis is unavailable, or its circuit breaker open | decided locally |
    | an account's counters are damaged | decided locally; the log names the fix |
    | seeding takes longer than a second | decided locally; seeding continues |
    | Redis lost its data | the counters are seeded from the ledger, then the request is charged |

    A local decision (`fallback.py`) admits this worker's share of the rate. Turns pass without a
    charge and are stored as degraded. The next reconciliation counts them. With `needs_charge` they
    are refused. `errors.py` declares the errors; all are AdmissionError, but for AccountFault of
    `app.http`.
"""
