"""Serve HTTP: the launcher of Granian, its adapter to Flask, and what both servers share.

Promise: whatever clients do, other clients are served. Granian parses HTTP and holds connections,
so a slow or silent client costs a descriptor and no thread. A request takes a thread once its body
has arrived.

Failure: a worker that dies or is silent for 30 s is replaced. A worker that dies twice within 5.5 s
ends the service with status 1, for the supervisor to restart.

No module here imports `prometheus_client`, directly or not: its first import decides whether
counters are shared by processes, so the folder for them must be chosen before.
"""
