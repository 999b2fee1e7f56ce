"""The console of operators at `/console`: what happens, who is near a limit, and how to change it.

| file | its subject |
| --- | --- |
| `frame.py` | pages with their JSON twins, the check of each request, errors as pages |
| `session.py` | the signed cookie of a session, and the tokens of forms |
| `session_routes.py` | log in, log out, choose the theme |
| `errors.py`, `error_answers.py` | errors of this room, and their answers |
| `pages_in_flight.py` | the limit of requests that one process answers at the same time |
| `parts.py` | parts of a page whose store is unavailable |
| `shared_reads.py` | reads that pages share for a while |
| `choices.py`, `problems.py`, `redaction.py` | queries, errors of forms, keys in addresses |
| `formats.py` | numbers, times and shares as text |
| `charts/` | the geometry of charts, as values that `charts.html` draws |
| `*_routes.py` | pages and forms |
| `*_data.py`, `*_rows.py`, `overview/` | the data of pages, plain values for page and twin |
| `*_charts.py`, `overview/drawings.py` | their charts |
| `limits_data.py`, `change_routes.py` | a change of plan and limits: tried, then made |
| `key_forms.py`, `key_form_values.py` | keys: create, rotate, revoke, find leaked ones |
| `routes.py` | registers all of it |
| `off.py` | answers while the console is off |

Promises:

* The console is off, a 404, unless `OPERATOR_TOKEN` is set. A new token ends every session.
* Every page but the log-in needs a session, and every POST a token of its form. Both are checked
  before any route of the blueprint runs.
* An address may send 5 wrong tokens, and one more each 12 seconds.
* A page and its JSON twin, at the same path with `.json`, show the data of one function.
* Requests with a session hold at most a quarter of a process's threads.
* Looking charges no bucket, seeds no counters and writes nothing.
* Pages are whole without script, request nothing of another host and are not kept by caches.
* No user or relationship id, no address and no text of a turn is shown.
* Requests to the console count neither as traffic nor in the log of refused requests.

Invariants:

* Templates format; they compute nothing. The data of a page is plain: instants are text in ISO
  8601, and None is "not known".

Failures: a part of a page whose store is unavailable says so, and the rest is shown. An error of
the whole page is the service's own JSON error, shown as a page (`frame.show_error_as_page`).
"""
