"""Connect to MongoDB and a Redis-protocol server, or to their in-memory twins.

`connect.connect(settings)` makes one `backend.Backend` for a process: clients for requests and for
maintenance, each with every time-out and pool size written down.

Invariants

* Clients are made in the process that uses them: never at import, never before a fork.
* No Redis command is resent. A charge that is sent twice is charged twice, so each caller decides
  whether it retries.
* MongoDB is read from the primary with read concern `majority`, whatever its address asks for.
  Reads decide what is written.
* No error text or log line contains an address, a password or stored data. `reasons` describes
  every failure in fixed words.

Failure

* `outages` says which errors mean that a store is unavailable. The web answers 503 or admits
  without Redis; commands print one line; the worker retries in its next pass.
* `breaker` stops sending to a store after 5 failures within 10 seconds and a failed probe. Calls
  then fail at once (`RedisCircuitOpen`, `MongodbCircuitOpen`) until a probe succeeds; it probes
  once a second in its own thread. Each process has its own breakers.
* `containment` keeps the failure of one account from stopping a pass over all accounts. An outage
  ends the pass.

The schema: `definitions`, `indexes` and `validators` compare the database with the definitions of
this release and make it follow them. `app/schema.py` applies them at each release. They never
delete a row and never drop an index.

The in-memory twins serve fast tests and demos: one process, nothing is kept, no validators.
"""
