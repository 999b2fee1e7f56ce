"""Make wrapped model calls until this process is killed.

    python -m tests.clients.wrapped_producer OUTBOX URL KEY MODELS_URL

Imports the SDK once; each line of standard input, `NAME THREADS CALLS`, forks a producer, whose
process id is printed. A producer's threads each make so many calls. Each call writes a line to a
log: `o` before it begins, `a` once it has returned. The user of a turn is the call's name.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack

import openai
from turnledger import Ledger

HOLD_S = 10
MESSAGES = [{"role": "user", "content": "Hello"}]


class Caller:
    """Make calls of one producer, by turns in each of six ways."""

    def __init__(self, outbox: str, url: str, key: str, models_url: str, name: str) -> None:
        self.name = name
        self.ledger = Ledger(url, key, personality_id="pers_ada", outbox=outbox)
        bare = openai.OpenAI(base_url=f"{models_url}/v1", api_key="key", timeout=10)
        self.model = self.ledger.wrap(bare, provider="openai", include_usage=True)
        self.log = os.open(f"{outbox}.log-{name}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def call(self, name: str, number: int) -> None:
        """Make one call: in a reserved turn, in a turn without one, or outside a turn."""
        who = {"user_id": name, "relationship_id": "rel_1"}
        with ExitStack() as block:
            if number % 3 == 2:
                block.enter_context(self.ledger.identity(**who))
            else:
                is_held = number % 3 == 0
                hold_seconds = HOLD_S if is_held else None
                turn = self.ledger.turn(**who, reserve=is_held, hold_seconds=hold_seconds)
                block.enter_context(turn)
            if number % 2:
                stream = self.model.chat.completions.create(
                    model="gpt-4o", messages=MESSAGES, stream=True
                )
                assert len(list(stream)) == 6
            else:
                self.model.responses.create(model="gpt-4o", input="Hello")

    def work(self, thread: int, calls_count: int) -> None:
        for number in range(calls_count):
            name = f"{self.name}-{thread}-{number}"
            os.write(self.log, f"o {name}\n".encode())
            self.call(name, number)
            os.write(self.log, f"a {name}\n".encode())

    def run(self, threads_count: int, calls_count: int) -> None:
        work: Callable[[int, int], None] = self.work
        threads = [
            threading.Thread(target=work, args=(number, calls_count))
            for number in range(threads_count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.ledger.close(20)


def main() -> None:
    # Nobody waits for the producers: the system forgets each one once all its threads have ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        name, threads_count, calls_count = line.split()
        process_id = os.fork()
        if process_id == 0:
            Caller(*sys.argv[1:], name).run(int(threads_count), int(calls_count))
            os._exit(0)
        print(process_id, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
