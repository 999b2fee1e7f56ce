"""Code that every request passes, whatever its subject.

Promises
    * A request has one id: in the `X-Request-Id` header, in error bodies and in the log line.
    * Bodies and queries are read strictly: unknown, repeated and empty values are refused, and a
      type is never coerced. Each refusal names the field, a stable code and the allowed values.
    * Every failure is rendered by `errors.py` as one envelope. An error has a code; its status and
      type follow from the table in `problems.py`.
      The chain: rules (`rules.py`) → Reason → FieldError → Problem (`problems.py`) → Response.
    * A client may keep answers that have a tag (`conditional.py`). A 304 is charged and limited as
      its 200.
    * An answer is compressed at most once, and only for clients that accept it (`compression.py`).
    * Pages of other origins read nothing by default; with `cors.py` they read errors too.
    * A cursor of a list is signed, bound to its owner and filters, and valid for 24 hours.

Invariants
    * This room knows no subject and imports no other room. The map of errors to answers,
      `app.error_answers`, is passed to `errors.init_app`.
    * Work on a request is bounded before it starts: bytes that arrive, decoded bytes, fields of an
      object, values of a body, field errors that are listed.
    * The text of an exception never reaches a client, and values of a client are never echoed,
      apart from names of fields, which are cut.

Failures
    * `request_errors.py` declares the errors of requests that this room itself finds; all are
      RequestError. They are raised while a request is read, before its service runs.
    * An outage of a store is a 503 with `Retry-After: 1`; `init_app` gets the drivers' errors.
    * Stored data of one account that cannot be used is an AccountFault: 503 for that account, with
      the reason in the log (`faults.py`).
    * Any other exception is a 500 with a fixed sentence. The log has its type and frames
      (`frames.py`), never its message.
"""
