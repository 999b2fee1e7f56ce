"""The reference of the API: `/openapi.json` for programs, `/docs/errors` for people.

Promises:

* The document describes every route that `routes.init_app` registers, and no other.
* Each operation has a name that never changes, and every status and header that it can answer.
* Its examples are answers that the service gave; `python -m tests.examples` records them.
* The page lists every error code of `app.http.problems.CODES`.
* Both are public, and need neither MongoDB nor Redis.

Invariants:

* The document depends on code only: not on settings, stores or the request. So each process makes
  it once, at the first request for it. A start does not make it.
* The document is built on a separate Flask application, because flask-smorest also adds commands
  and error handlers to the application that it describes.
* flask-smorest and apispec describe paths, parameters and schemas (`document.py`, `converter.py`).
  `operations.py` adds what follows from `app.policies` and from the table of operations.

Failures: a route whose description is faulty, or that has no entry in `operations.OPERATIONS`,
fails the request for the document (500), not the start. `tests/api/test_openapi_lint.py` asks for
it.
"""
