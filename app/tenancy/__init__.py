"""Organizations, plans, API keys, billing periods and authentication.

Terms
    An *organization* is a customer on a *plan*; its *overrides* replace single limits of the plan.
    An *account* is one environment of an organization (`org_01J…:live`): it owns turns and quota.
    A *principal* is a valid key with all that a request needs to know of its organization.
    A *pepper* is the secret with which digests of keys are made.

Promises
    * The plaintext of a key is shown once and never stored: the store has an HMAC of it.
    * A mistyped key costs no call of the store: its check digits are wrong.
    * A revocation, a suspension and a change of plan apply everywhere within 5 seconds.
    * A key cannot outlive the key that makes it, and an idempotency key makes at most one key.
    * An account of another organization looks the same as one that does not exist.
    * Billing periods tile time: every instant is in exactly one period of an organization.

Invariants
    * Expiry is judged by Redis's clock, the same for every machine.
    * A cached key admits no request by itself: each token is checked against its digest.
    * Every field of a stored document may be damaged. Readers check all of them (`records.py`).

Failures
    * `errors.py` declares the errors; all are TenancyError. A failed credential is an
      AuthenticationFailed. Values that are not valid are InvalidFields of `app.http`.
    * A damaged document is a value in lists (FaultyOrganization, FaultyKey) and an AccountFault
      where one account's answer needs it. Other accounts are not affected.
    * Errors of the driver pass through unchanged.
    * A plan file that is not valid is a ValueError that lists every fault; the service does not
      start with it.
"""
