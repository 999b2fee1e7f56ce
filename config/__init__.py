"""Configure the service: environment variables, the plan catalogue and gunicorn's settings.

`settings.Settings.from_environ()` reads the variables of the application when a process starts: the
launcher, each worker, each command. `app/serving` reads those of the servers. `variables` holds the
rules for all readers of variables; `mongodb_address` and `redis_address` check the two addresses,
`addresses` what both have in common. `plans.toml` is the default plan catalogue. `gunicorn.py` is
gunicorn's settings file, an entry point that nothing imports.

Invariants

* A bad variable ends the start with its fix. Those that `Settings` reads are reported together,
  except for checks of several values or of a file's content, which are reported alone.
* No error text contains a value that may be a secret: addresses, secrets and TLS keys.
* A variable that is not set has its default. Those that must be set have none: the start ends.
* An empty or blank variable is not set. Only a blank secret is refused, as a mistake.
* Every variable that an operator sets is in `.env.example`.
* Nothing here imports `app`, except gunicorn's settings file.
"""
