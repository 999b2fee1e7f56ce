"""Check both stores: can they be reached, are they set up as the service needs them."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from app.backends.backend import Backend
from app.backends.definitions import VALIDATOR
from app.backends.eviction import SAFE_POLICY, find_policies
from app.backends.outages import OUTAGES, as_outages
from app.backends.reasons import reason_of
from app.doctor.findings import Finding, State
from app.doctor.fixes import fix_of
from app.schema import DatabaseSchema


class StoreChecks:
    """Checks by the request clients, whose time-outs are those of a request."""

    def __init__(self, backend: Backend, schema: DatabaseSchema) -> None:
        self._backend = backend
        self._schema = schema

    def mongodb(self) -> Finding:
        """Check that MongoDB answers as a replica set's primary."""
        name = "mongodb"
        try:
            with as_outages():
                # Not `hello` alone: that needs no password.
                self._backend.database.command("ping")
                hello: dict[str, Any] = self._backend.database.command("hello")
        except OUTAGES as error:
            return _unreachable(name, error)
        replica_set = hello.get("setName")
        if replica_set is None:
            text = "answers, but is not a replica set: one lost disk loses turns"
            return Finding(name, State.LOOK, text, "docs/deploy/stores.md has how to make one")
        return Finding(name, State.OK, f"answers, primary of the replica set {replica_set}")

    def schema(self) -> Finding:
        """Check indexes and validators."""
        name, differences = "schema", self._schema.find_differences()
        if not differences:
            return Finding(name, State.OK, "indexes and validators are those of this release")
        is_validator_only = all(each.name == VALIDATOR for each in differences)
        paths = ", ".join(each.path for each in differences)
        state = State.LOOK if is_validator_only else State.BAD
        return Finding(name, state, f"missing or different: {paths}", "flask --app wsgi db init")

    def redis(self) -> Finding:
        """Check that Redis takes writes."""
        try:
            self._backend.require_redis()
        except OUTAGES as error:
            return _unreachable("redis", error)
        return Finding("redis", State.OK, "answers and takes writes")

    def eviction(self) -> Iterator[Finding]:
        """Check that Redis does not evict keys; nothing while it is unavailable."""
        with suppress(*OUTAGES):
            self._backend.require_redis()
            yield _eviction(find_policies(self._backend.redis))


def _eviction(policies: set[str]) -> Finding:
    name = "eviction"
    unsafe = sorted(policies - {SAFE_POLICY})
    if unsafe:
        text = f"maxmemory-policy is {', '.join(unsafe)}: full memory loses charges"
        return Finding(name, State.BAD, text, f"set maxmemory-policy {SAFE_POLICY}")
    if not policies:
        text = "maxmemory-policy cannot be read (INFO is not allowed)"
        return Finding(name, State.LOOK, text, f"make sure that it is {SAFE_POLICY}")
    return Finding(name, State.OK, f"maxmemory-policy is {SAFE_POLICY}")


def _unreachable(store: str, error: Exception) -> Finding:
    reason = reason_of(error)
    return Finding(store, State.BAD, reason, fix_of(store, reason))
