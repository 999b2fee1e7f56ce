"""Roll-ups that outlive the turns: the archive that makes them, and answers about usage.

Terms:

- Roll-up: additive totals of the turns of one day (UTC) of one account. A roll-up holds no id of a
  user, a relationship or a turn.
- Breakdown: sums of a roll-up by model, provider, personality, status, mode and API key. It covers
  fewer turns than the roll-up if an earlier release has rolled up a part of the day.
- Fence: a fencing token of a day. Only the archiver with the newest one can commit.
- Open turn: a turn with the field `open`, which is 0 or the fence of the archiver that claimed it.
- Live turn: an open turn that no roll-up counts, because its fence is not committed. Answers add
  live turns to roll-ups. An open turn with a committed fence only lacks its `expires_at`.
- Sweep: one pass over all days with open turns. It is complete if no day was left to another
  archiver.

Promises:

- Every turn counts exactly once, while it is open, archived, or archived and deleted.
- A turn expires 180 days after its day, and never before it is rolled up.
- Archivers may run at once and may be killed at any point.
- Days, weeks, months and ranges have the same numbers for the same turns: roll-ups hold integers.
- Active relationships do not add up. `freezing.py` stores them for each ended billing period.

Files: `archive.py` has the protocol, `store.py` its operations, `archive_pass.py` one pass of the
worker, `health.py` how late it is, `rollups.py`, `breakdown.py` and `pipeline.py` the totals,
`documents.py` their stored form, `rebuild.py` recomputes days, and `service.py` has the answers.

Failures:

- MongoDB is unavailable: the pass ends, and the next one continues.
- A day or an organization has damaged data: the pass logs `day_not_archived` or
  `periods_not_frozen`, and does all others.
- Turns cannot be summed (`summable.py`): the archive sets them aside. They count in no total, are
  named in the log (`turns_set_aside`), and expire like others.
- The archive commits a day faster than a request can read it: the request gets a 503.
"""
