"""Run the service of this checkout on the bundled servers, for generated clients."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devkit.bundled import running_mongod, running_redis
from scripts.lib import ROOT
from scripts.lib.conversation.checkout import Checkout, environ_of


@dataclass(frozen=True, slots=True)
class Service:
    """The address of a running service, and an API key with the scope `read_write`."""

    url: str
    key: str


@contextmanager
def running_service(folder: Path) -> Iterator[Service]:
    """Start servers and service with their files in `folder`; they end with the block."""
    checkout = Checkout(ROOT)
    with (
        running_mongod(folder / "mongod", is_ephemeral=True) as mongodb,
        running_redis(folder / "redis", is_ephemeral=True) as redis,
    ):
        environ = environ_of(mongodb.url, redis.url)
        key = _new_key(checkout, environ)
        with checkout.serving(environ, folder / "service.log", "granian") as port:
            yield Service(f"http://127.0.0.1:{port}", key)


def _new_key(checkout: Checkout, environ: dict[str, str]) -> str:
    create = ["org", "create", "Acme", "--plan", "enterprise", "--json"]
    _, created = checkout.run(environ, ["db", "init"], create)
    organization_id = json.loads(created)["id"]
    create = ["key", "create", organization_id, "--scope", "read_write", "--json"]
    (created,) = checkout.run(environ, create)
    key: str = json.loads(created)["key"]
    return key
