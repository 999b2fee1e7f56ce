"""Serve HTTP: the launcher of Granian, its adapter to Flask, and the parts shared with gunicorn.

Promise: a slow or silent client costs other clients nothing. Granian parses HTTP and holds
connections, so such a client takes a file descriptor and no thread. A request takes a thread once
its body has arrived.

Invariants

* No module here imports `prometheus_client`, directly or indirectly. Its first import decides
  whether processes share their counters, so `run_folder` must choose the folder before.
* The port is claimed before anything else is made: a second service on it fails to start.
* Memory for bodies is bounded for each worker, and the queue of requests too.
* After SIGTERM `/readyz` answers 503 for `DRAIN_S`. Then connections are refused, begun requests
  are completed, and the service ends within 27 seconds.

Failure

* A worker that dies, or that shows no heartbeat for 30 seconds, is replaced. A worker that dies
  twice within 5.5 seconds ends the service with status 1, and its supervisor restarts it.
* A full queue is answered 503 with `Retry-After: 1`.
* A late body is a 408. If all bodies together take too much memory, a slow long one is a 503.
* An answer of unknown length that cannot be completed breaks off: its connection is closed without
  the end of the answer.
* A bad setting ends the start with one line: the variable, its value and what to set instead.

Files: `launcher` starts and drains, `worker` is one Granian worker, `adapter` runs Flask in
threads, `bodies` reads requests, `streams` and `pipes` send answers of unknown length, `environ`
makes the WSGI environment. `web`, `env_file`, `port`, `run_folder` and `shared` also serve
gunicorn.
"""
