"""Send requests without a pause, in a separate process: `python -m tests.faults.kit.noise`.

Arguments: the address of a page, a key, requests a second, number of connections. It ends when
it is killed. It reads as little of an answer as possible, to leave the CPU to the service.
"""

import sys

from bench.openloop import offered

# Far longer than any test.
SECONDS = 600


def main(url: str, token: str, per_second: str, connections_count: str) -> None:
    """Send requests repeatedly and ignore the answers."""
    headers = {"Authorization": f"Bearer {token}"}
    offered(
        url,
        headers,
        rate_per_s=float(per_second),
        seconds=SECONDS,
        connections=int(connections_count),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
