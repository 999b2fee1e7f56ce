"""Record so many turns by the package for producers: `python -m bench.producer URL KEY COUNT`.

Prints the seconds that `record_many` took as JSON; exits with 1 unless every turn is new.
"""

import json
import sys
import time

from turnledger import Ledger, Turn, Usage


def main() -> int:
    """Make the turns first, then record them."""
    url, key, count = sys.argv[1:]
    usage = Usage(llm_provider="openai", llm_model="gpt-4o", input_tokens=374, output_tokens=44)
    turns = [
        Turn(
            status="completed",
            latency_ms=1_840,
            user_id=f"u_{number % 1_000}",
            relationship_id=f"rel_{number % 1_000}",
            usage=usage,
        )
        for number in range(int(count))
    ]
    with Ledger(url, key, personality_id="pers_ada", outbox="memory") as ledger:
        begun = time.perf_counter()
        created_count = sum(result.state == "created" for result in ledger.record_many(turns))
        took_s = time.perf_counter() - begun
    sys.stdout.write(json.dumps({"seconds": took_s}))
    return int(created_count != len(turns))


if __name__ == "__main__":
    sys.exit(main())
