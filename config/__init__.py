"""Configure the service: environment variables, the plan catalogue and gunicorn's settings.

`settings.Settings.from_environ()` reads every variable of the service once, at start-up.
`variables` holds the rules for all readers of variables; `mongodb_address` and `redis_address`
check the two addresses, `addresses` what both have in common. `plans.toml` is the default plan
catalogue. `gunicorn.py` is gunicorn's settings file, an entry point that nothing imports.

Invariants

* A bad variable ends the start with the fix of every bad one, so that one failed start is enough.
* No error text contains a value that may be a secret: addresses, secrets and TLS keys.
* A variable that is empty or not set has its default. Every variable is in `.env.example`.
* Nothing here imports `app`, except gunicorn's settings file.
"""
