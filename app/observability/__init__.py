"""Show operators the state of the service: log lines, metrics and health.

`answers` logs and counts each request once, when its status is final. `exports` does so for each
export when its stream has ended. `health` answers `/healthz` and `/readyz`, `metrics` answers
`/metrics`. `tracing` makes OpenTelemetry's spans, if the settings ask for them.

Invariants

* A log line, a metric's label, a span or a health answer never contains a key, a body, a query, an
  id from a path or an exception's text. Labels have few values: at most `METRICS_ORGANIZATIONS`
  accounts are named. Names of wrong fields are those of the API: a name that the client chose is
  replaced.
* A request is logged and counted with the route's rule, such as `/v1/interactions/<id>`.
* `/healthz` contacts no store. `/readyz` probes each store at most once a second, however many
  callers ask, and its answer is never older than a second.
* Figures of the archive and of reconciliation are read from MongoDB at each scrape, so every
  worker reports the same.

Failure

* A full disk loses log lines and counts, never an answer.
* A collector of traces that is unavailable loses spans, and no request waits for it.
* MongoDB unavailable: `/readyz` is 503, and metrics leave out the figures that are read from it.
* Redis unavailable: `/readyz` is 200 with `degraded`.
* A damaged document of the worker's figures is logged as `readings_unreadable`. Readiness and the
  other metrics do not depend on it.
"""
