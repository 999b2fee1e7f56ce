"""Replay one recorded conversation against two commits and compare answers and stored data.

The conversation is the code in `parts`: a fixed sequence of requests over all routes, statuses and
error codes. Each side gets a checkout of its commit, its own mongod and Valkey, and its own
organizations, made by the commit's own commands. Compared are status lines, headers in their order,
bodies byte for byte, the keys and values in Redis and the documents in MongoDB.

Ids, API keys, cursors and instants differ between any two runs. Names replace them that say where
a value was seen first (`names.py`). So the two sides must agree about which answers repeat a
value. These are compared only roughly:

* `X-RateLimit-Reset` and other instants of the server: their distance from the request, by class.
* `X-RateLimit-Remaining` needs no rule: a request waits until its bucket is full again, unless the
  bucket is meant to be empty.
* Waits (`Retry-After`, `retry_after_ms`) that end at an instant in the answer: that they do.
* Instants in the stores: names, and their exact distance from another one (`+300s`).
* `Date`, and the values of `/metrics`; metric names and labels are compared.
"""
