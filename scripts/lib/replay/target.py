"""Which service is spoken to, and with whose key."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.lib.replay.client import Answer, Client

MOST_TRIES = 5
NEEDED_SCOPE = "read_write"


class NoTarget(Exception):
    """Nobody to send to; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Target:
    """A service and a key."""

    base_url: str
    key: str

    def client(self) -> Client:
        """A connection of its own."""
        return Client(self.base_url, self.key)

    def holder(self) -> str:
        """Whose key it is, `Demo Pro, plan pro, live`; NoTarget if it cannot record turns."""
        client = self.client()
        answer = _patiently_get(client, "/v1/me")
        client.close()
        if answer.status != 200:
            raise NoTarget(
                f"{self.base_url} refuses the key ({answer.error_code}): give a good one by --key"
            )
        me = answer.body
        if NEEDED_SCOPE not in me["scopes"]:
            raise NoTarget(f"the key may not record turns: give one with scope {NEEDED_SCOPE}")
        return f"{me['organization']['name']}, plan {me['plan']}, {me['environment']}"


def choose_target(data_dir: Path, plan: str, base_url: str | None, key: str | None) -> Target:
    """What the options name; what they leave open is read from the local run's `demo.json`."""
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
            f"{path} is not there: start scripts/run with the same DATA_DIR, "
            "or give --base-url and --key"
        ) from None
    return demo


def _patiently_get(client: Client, path: str) -> Answer:
    """Read `path`; the bucket may still be empty from an earlier run."""
    for _ in range(MOST_TRIES - 1):
        answer = client.get(path)
        if answer.status != 429:
            return answer
        time.sleep(float(answer.headers.get("Retry-After", "1")))
    return client.get(path)
