"""Choose the service to send to, and the key."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.lib.replay.client import Answer, Client

MOST_TRIES = 5
NEEDED_SCOPE = "read_write"


class NoTarget(Exception):
    """No service or key can be used; the message contains the next step."""


@dataclass(frozen=True, slots=True)
class Target:
    """A service and a key."""

    base_url: str
    key: str

    def client(self) -> Client:
        """Return a client with its own connection."""
        return Client(self.base_url, self.key)

    def holder(self) -> str:
        """Return the key's holder, `Demo Pro, plan pro, live`; NoTarget if it may not record."""
        client = self.client()
        answer = _get_unless_limited(client, "/v1/me")
        client.close()
        if answer.status != 200:
            raise NoTarget(
                f"{self.base_url} refuses the key ({answer.error_code}): give a valid one by --key"
            )
        me = answer.body
        if NEEDED_SCOPE not in me["scopes"]:
            raise NoTarget(f"the key may not record turns: give one with scope {NEEDED_SCOPE}")
        return f"{me['organization']['name']}, plan {me['plan']}, {me['environment']}"


def choose_target(data_dir: Path, plan: str, base_url: str | None, key: str | None) -> Target:
    """Return the target of the options; read missing ones from the local run's `demo.json`."""
    if base_url and key:
        return Target(base_url, key)
    demo = _demo(data_dir / "demo.json")
    if not key:
        known = demo["keys"]
        if plan not in known:
            raise NoTarget(f"the demo has no plan {plan!r}: --plan {'|'.join(known)}")
        key = str(known[plan][NEEDED_SCOPE])
    return Target(base_url or demo["base_url"], key)


def _demo(path: Path) -> dict[str, Any]:
    try:
        demo: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NoTarget(
            f"{path} does not exist: start scripts/run with the same DATA_DIR, "
            "or give --base-url and --key"
        ) from None
    return demo


def _get_unless_limited(client: Client, path: str) -> Answer:
    """Read `path`; retry while rate-limited, because an earlier run may have emptied the bucket."""
    for _ in range(MOST_TRIES - 1):
        answer = client.get(path)
        if answer.status != 429:
            return answer
        time.sleep(float(answer.headers.get("Retry-After", "1")))
    return client.get(path)
