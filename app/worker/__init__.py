"""The worker: chores that repeat until SIGTERM, beside the processes that serve requests.

`flask worker` runs three chores, each in a thread of its own, each every minute:

- `archive`: rolls turns up into days, freezes ended billing periods, and reports what is late.
- `reconcile`: corrects the counters in Redis by the ledger.
- `remove_keys`: deletes API keys that ended more than `KEY_RETENTION_DAYS` ago.

Promises:

- Chores do not wait for each other. A slow store delays only the chores that use it.
- Scans use the maintenance clients, which have long time-outs. Short calls, the same for every
  chore, use the request clients: the check of the indexes before a pass and the notes after it.

  | chore | MongoDB | Redis |
  | --- | --- | --- |
  | `archive` | maintenance: turns, days, organizations | request: its time, once a pass |
  | `reconcile` | maintenance: turns | maintenance: counters |
  | `remove_keys` | maintenance: keys | request: its time, once a pass |

- Several workers may run at once, and a kill at any point does no harm: the next pass repeats the
  work.
- SIGTERM and SIGINT end every chore at its next safe point: between two batches of the archive,
  while the reconciler waits for requests in flight, and between two passes.

Failures:

- A store is unavailable: the chore logs `store_unavailable` and tries again after its period.
- A pass fails: the chore logs its own event (`archive_pass_failed`, `reconciliation_failed`,
  `key_removal_failed`), counts the failure in the metrics, and tries again after its period.
  `Worker.run` returns the names of the chores whose last pass failed.
- One element of a pass fails (a day, an account): the room that owns it contains and logs it.
- Indexes are missing: every chore ends, and the error contains the next step.

`app.worker` knows neither Flask nor the command line. `build.py` makes the worker from services.
"""
