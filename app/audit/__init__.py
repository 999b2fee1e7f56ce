"""The audit trail: which operator or key changed which organization or API key, and how.

Terms
    An *entry* is one change: when, by whom, what, of which organization and key, the fields that
    changed with their values before and after, and a reason if one was given.
    An *author* is `command:USER` (a user of the operating system), `console:NAME` or `key:KEY_ID`.

Promises
    * No change without an entry: it is stored before the change, with the outcome `intended`. If
      that fails, the change is not made.
    * Entries are appended. Only the outcome is set once more: `done`, or `failed` if the change was
      definitely not made. An entry that stays `intended` is of a change whose outcome is unknown.
    * An entry holds no text of a key, no address, and no free text but names and the reason.
    * Entries are kept for `AUDIT_RETENTION_DAYS`, counted from the change; then MongoDB removes
      them.

Failures
    * Errors of the driver pass through unchanged: the change is not made.
    * AuditNotWritten if the database refuses an entry.
    * A failure to set the outcome is logged as `audit_outcome_not_set`; it is no error, because the
      change is made.
"""
