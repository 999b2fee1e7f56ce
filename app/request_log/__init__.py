"""Keep requests that were refused, so that operators can explain an `X-Request-Id`.

A request is *refused* if its answer has a status of 400 or above.

Promises

* An entry holds what the log line holds, without the client's own id: no body, no query, no
  address, no path beyond the route's rule, and of wrong fields only names of the API.
* A request never waits for the log: a thread looks at its answer within half a second. Entries are
  written in batches every 2 seconds, and once more when the process ends.
* A flood of refusals writes at most `MOST_ENTRIES` a batch and `MOST_OF_ORGANIZATION` of one
  organization. The others are counted by minute.
* Entries expire `REQUEST_LOG_DAYS` after the request. With 0 nothing is kept.

Failure

* While MongoDB is unavailable entries wait for a minute at most. Those that are lost are counted
  in `turnledger_request_log_entries_total{outcome="lost"}`.
"""
