"""The organizations and keys of the conversation, made by the commit's own commands."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pymongo import MongoClient

from scripts.lib.conversation.checkout import Checkout
from scripts.lib.conversation.names import Names, instant_of

# Limits of organizations that differ from those of their plans.
CEILINGS: Mapping[str, Sequence[str]] = {
    "small": ("--turns", "6", "--active-relationships", "2"),
    "open": ("--turns", "2", "--overage", "allow"),
    "slow": ("--requests-per-second", "1", "--burst", "10"),
    "crowd": ("--requests-per-second", "500", "--burst", "1"),
}
ORGANIZATIONS = ("acme", "other", *CEILINGS, "suspended", "damaged")
# Name of a key -> its organization, scope and further options.
KEYS: Mapping[str, tuple[str, str, Sequence[str]]] = {
    **{f"{name}/admin": (name, "admin", ()) for name in ORGANIZATIONS},
    "acme/write": ("acme", "read_write", ("--label", "writer")),
    "acme/read": ("acme", "read", ()),
    "acme/test": ("acme", "admin", ("--environment", "test")),
    "acme/brief": ("acme", "admin", ("--expires-in", "2")),
    "acme/late": ("acme", "admin", ()),
    "gone": ("acme", "admin", ()),
    "expired": ("acme", "admin", ("--expires-in", "1")),
    "revoked": ("acme", "admin", ()),
}
STRICT_KEYS: Mapping[str, tuple[str, str, Sequence[str]]] = {
    "strict/admin": ("strict", "admin", ())
}


def prepare(
    checkout: Checkout, environ: Mapping[str, str], names: Names, base_ms: int
) -> dict[str, str]:
    """Make the schema, organizations, keys and a history; return the tokens by name."""
    created = _organizations(checkout, environ, ORGANIZATIONS, names)
    ceilings = [
        ["org", "set-plan", created[name], "enterprise", *options]
        for name, options in CEILINGS.items()
    ]
    checkout.run(environ, *ceilings, ["org", "suspend", created["suspended"]])
    keys = _keys(checkout, environ, created, KEYS, names)
    checkout.run(environ, ["key", "revoke", keys["revoked"]["id"]])
    _bring_history(checkout, environ, created["acme"], base_ms)
    _damage(environ["MONGODB_URI"], created, keys)
    return {name: key["key"] for name, key in keys.items()}


def prepare_strict(checkout: Checkout, environ: Mapping[str, str], names: Names) -> dict[str, str]:
    """Make schema and organization of the service with the policy deny; return its tokens."""
    created = _organizations(checkout, environ, ("strict",), names)
    keys = _keys(checkout, environ, created, STRICT_KEYS, names)
    return {name: key["key"] for name, key in keys.items()}


def _organizations(
    checkout: Checkout, environ: Mapping[str, str], wanted: Sequence[str], names: Names
) -> dict[str, str]:
    creations = [["org", "create", name, "--plan", "enterprise", "--json"] for name in wanted]
    outputs = checkout.run(environ, ["db", "init"], *creations)[1:]
    created = {name: _record(text)["id"] for name, text in zip(wanted, outputs, strict=True)}
    for name, identifier in created.items():
        names.give(identifier.removeprefix("org_"), f"organization {name}")
    return created


def _keys(
    checkout: Checkout,
    environ: Mapping[str, str],
    created: Mapping[str, str],
    wanted: Mapping[str, tuple[str, str, Sequence[str]]],
    names: Names,
) -> dict[str, dict[str, Any]]:
    creations = [
        ["key", "create", created[name], "--scope", scope, *options, "--json"]
        for name, scope, options in wanted.values()
    ]
    outputs = checkout.run(environ, *creations)
    keys = {name: _record(text) for name, text in zip(wanted, outputs, strict=True)}
    for name, key in keys.items():
        names.give(key["key"], f"key {name}")
        names.give(key["id"].rpartition("_")[2], f"id of key {name}")
        names.give(key["created_at"], f"creation of key {name}")
        if key["expires_at"]:
            names.give(key["expires_at"], f"end of key {name}")
    return keys


def _bring_history(
    checkout: Checkout, environ: Mapping[str, str], organization_id: str, base_ms: int
) -> None:
    """Import turns of the last months, and archive them."""
    lines = [json.dumps(_old_turn(number, base_ms)) for number in range(40)]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "history.ndjson"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        checkout.run(environ, ["turns", "import", organization_id, str(file)], ["archive", "run"])


def _damage(uri: str, created: Mapping[str, str], keys: Mapping[str, Mapping[str, Any]]) -> None:
    """Store states that no command makes: an expired key, a deleted key, an unknown plan."""
    with MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        database = client.get_default_database()
        stored = database["api_keys"]
        yesterday = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        over = {"$set": {"expires_at": yesterday - timedelta(days=1)}}
        stored.update_one({"_id": keys["expired"]["id"]}, over)
        stored.delete_one({"_id": keys["gone"]["id"]})
        plan = {"$set": {"plan": "platinum"}}
        database["organizations"].update_one({"_id": created["damaged"]}, plan)


def _old_turn(number: int, base_ms: int) -> dict[str, Any]:
    at_ms = base_ms - (number + 3) * 4 * 86_400_000
    return {
        "turn_id": f"old-{number}",
        "occurred_at": instant_of(at_ms),
        "mode": "stateful",
        "user_id": f"u_{number % 3}",
        "relationship_id": f"rel_{number % 5}",
        "status": ("completed", "failed", "timed_out")[number % 3],
        "personality_id": ("pers_ada", "pers_bob")[number % 2],
        "latency_ms": 100 * number,
    }


def _record(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found
