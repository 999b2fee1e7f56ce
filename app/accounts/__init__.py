"""The account of a key over HTTP: `/v1/me`, `/v1/api-keys` and `/v1/billing/plans`.

The rules are those of `app.tenancy`; this room only reads requests and renders answers.

Promises
    * `/v1/me` is answered from the principal alone, without another call of a store.
    * The list of keys has active keys first, then expired, then revoked, newest first in each
      state. Left to its default limit, the first page has every active key.
    * Only the answer that creates a key shows it in full.
    * Commands print the same items as HTTP (`items.py`).

Failures
    * A key is created or revoked only while Redis is available, which limits both; else 503.
    * A damaged key is left out of lists and logged; to get it is a 503 for that account.
"""
