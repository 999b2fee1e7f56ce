"""A customer without measure, as a process of its own: `python -m tests.faults.kit.noise`.

Takes the address of a page, a key, the requests a second and how many connections; ends when it is
killed. It reads of an answer only what it must: the machine that it burdens should be the service's
alone.
"""

import sys

from bench.openloop import offered

# Far longer than any test.
SECONDS = 600


def main(url: str, token: str, per_second: str, connections_count: str) -> None:
    """Ask again and again, whatever is answered."""
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
