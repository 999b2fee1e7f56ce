"""The reference of the API: `/openapi.json` for programs, `/`, `/docs` and below for people.

| file | its subject |
| --- | --- |
| `document.py`, `converter.py`, `envelope.py` | the OpenAPI document and its schemas |
| `operations.py`, `headers.py` | the names, answers and headers of operations |
| `examples.py`, `examples/` | recorded answers, for the document and the pages of error codes |
| `pages.py` | the routes of the pages; `frame.py` renders them, `templates/` has their markup |
| `overview.py`, `readiness.py` | what the start page says about this server |
| `error_texts.py`, `errors/CODE.toml` | the pages of error codes |
| `assets.py`, `static/` | the files of the pages, and those of Swagger UI from its wheel |

Promises:

* The document describes every route of the blueprints given to `routes.init_app`, and no other.
* Each operation has a name that never changes, and every status and header that it can answer.
* Its examples are answers that the service gave; `python -m tests.examples` records them.
* Every error code of `app.http.problems.CODES` has a page, with one of those examples.
* All is public. Pages need neither MongoDB nor Redis, and the start page shows an outage of them.
* No page requests anything of another host, and none has a script but the interactive reference.
  The `Content-Security-Policy` of each page allows no more; no page has an inline style or script.
* Files of pages are not limited: a visit asks for several. They come from memory, and browsers keep
  them for a year, since their addresses change with their content.

Invariants:

* The document depends on code only: not on settings, stores or the request. So each process makes
  it once, at the first request for it. A start does not make it.
* Templates, texts and files are read at the first request for them.
* The document is built on a separate Flask application, because flask-smorest also adds commands
  and error handlers to the application that it describes.
* flask-smorest and apispec describe paths, parameters and schemas (`document.py`, `converter.py`).
  `operations.py` adds what follows from `app.policies` and from the table of operations.

Failures: a route whose description is faulty, or that has no entry in `operations.OPERATIONS`,
fails the request for the document (500), not the start. `tests/api/test_openapi_lint.py` asks for
it.
"""
