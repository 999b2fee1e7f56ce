"""The version, for `/openapi.json` and for `pyproject.toml`, which names this constant."""

VERSION = "0.1.0"
