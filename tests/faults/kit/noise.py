"""A customer without measure, as a process of its own: `python -m tests.faults.kit.noise`.

Takes the service's address, a path, a key and the requests a second; ends when it is killed.
"""

import sys
from threading import Event

import httpx

from tests.faults.kit.load import Load


def main(base_url: str, path: str, token: str, per_second: str) -> None:
    """Ask again and again, whatever is answered."""
    headers = {"Authorization": f"Bearer {token}"}
    with (
        httpx.Client(base_url=base_url, headers=headers, timeout=60) as client,
        Load(lambda _: client.get(path), float(per_second)),
    ):
        Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
