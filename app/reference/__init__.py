"""The reference of the API: `/openapi.json` for programs, `/docs/errors` for people.

Promises:

* The document describes every route that `routes.init_app` registers, and no other.
* The page lists every error code of `app.http.problems.CODES`.
* Both are public, and need neither MongoDB nor Redis.

Invariants:

* The document depends on code only: not on settings, stores or the request. So each process makes
  it once, at the first request for it. A start does not make it (some 25 ms).
* The document is built on a separate Flask application, because flask-smorest also adds commands
  and error handlers to the application that it describes.

Failures: a route whose description is faulty fails the request for the document (500), not the
start. `tests/api/test_openapi.py` asks for it.
"""
