"""Make wrapped model calls until this process is killed.

    python -m tests.clients.wrapped_producer OUTBOX URL KEY MODELS_URL

Imports the SDKs once; each line of standard input, `NAME THREADS CALLS`, forks a producer, whose
process id is printed. A producer's threads each make so many calls. Each call writes a line to a
log: `o` before it begins, `a` once it has returned or raised. A turn's user is the call's name.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from contextvars import copy_context
from typing import Any

import anthropic
import openai
from turnledger import Ledger

from tests.clients.fake_models import Plan

HOLD_S = 10
# Models of the fake provider, and how it answers for them.
PLANS = {
    "refused": Plan(status=429),
    "cut": Plan(cut_after=3),
    "slow": Plan(pause_s=0.01),
    "silent": Plan(hangs=True),
}
TIMEOUT_S = 0.2
MESSAGES: list[Any] = [{"role": "user", "content": "Hello"}]
# The ways of calls in turn: client, model, whether it is a stream, and how its turn ends.
WAYS = [
    ("openai", "gpt-4o", True, "completed"),
    ("anthropic", "claude", False, "completed"),
    ("openai", "refused", False, "failed"),
    ("async openai", "gpt-4o", True, "completed"),
    ("anthropic", "claude", True, "completed"),
    ("openai", "slow", True, "completed"),
    ("anthropic", "cut", True, "failed"),
    ("async anthropic", "claude", False, "completed"),
    ("openai", "gpt-4o", False, "completed"),
    ("async openai", "silent", False, "timed_out"),
]


def end_of(name: str) -> str:
    """Return the status of the turn of a call that returned, by the call's name."""
    return WAYS[int(name.rpartition("-")[2]) % len(WAYS)][3]


# Nothing is encrypted here, and certificates take long to load.
KINDS: dict[str, Callable[..., Any]] = {
    "openai": lambda **options: openai.OpenAI(
        http_client=openai.DefaultHttpxClient(verify=False), **options
    ),
    "anthropic": lambda **options: anthropic.Anthropic(
        http_client=anthropic.DefaultHttpxClient(verify=False), **options
    ),
    "async openai": lambda **options: openai.AsyncOpenAI(
        http_client=openai.DefaultAsyncHttpxClient(verify=False), **options
    ),
    "async anthropic": lambda **options: anthropic.AsyncAnthropic(
        http_client=anthropic.DefaultAsyncHttpxClient(verify=False), **options
    ),
}


class Clients:
    """The clients of one thread; asynchronous ones belong to its event loop."""

    def __init__(self, ledger: Ledger, url: str) -> None:
        self._runner = asyncio.Runner()
        self._by_name = {}
        for name, make in KINDS.items():
            provider = name.split()[-1]
            base_url = f"{url}/v1" if provider == "openai" else url
            client = make(base_url=base_url, api_key="key", max_retries=0)
            self._by_name[name] = ledger.wrap(client, provider=provider, include_usage=True)

    def call(self, name: str, model: str, *, is_stream: bool) -> None:
        """Make a call, and read its answer to the end."""
        client = self._by_name[name]
        options: dict[str, Any] = {"model": model, "messages": MESSAGES, "stream": is_stream}
        options["timeout"] = TIMEOUT_S if model == "silent" else 10
        if "anthropic" in name:
            create, options["max_tokens"] = client.messages.create, 9
        else:
            create = client.chat.completions.create
        if name.startswith("async"):
            self._runner.run(_read(create(**options)), context=copy_context())
        else:
            answer = create(**options)
            for _ in answer if is_stream else ():
                pass


async def _read(answer: Coroutine[Any, Any, Any]) -> None:
    items = await answer
    if hasattr(items, "__anext__"):
        async for _ in items:
            pass


class Caller:
    """Make calls of one producer: in a reserved turn, in an unheld one, or outside of turns."""

    def __init__(self, outbox: str, url: str, key: str, models_url: str, name: str) -> None:
        self.name = name
        self.ledger = Ledger(url, key, personality_id="pers_ada", outbox=outbox)
        self.models_url = models_url
        self.log = os.open(f"{outbox}.log-{name}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def call(self, clients: Clients, name: str, number: int) -> None:
        who = {"user_id": name, "relationship_id": "rel_1"}
        client, model, is_stream, end = WAYS[number % len(WAYS)]
        # Cut streams raise the errors of the SDKs' own HTTP libraries.
        expected = () if end == "completed" else (Exception,)
        with suppress(*expected), ExitStack() as block:
            if number % 3 == 2:
                block.enter_context(self.ledger.identity(**who))
            else:
                is_held = number % 3 == 0
                hold_seconds = HOLD_S if is_held else None
                turn = self.ledger.turn(**who, reserve=is_held, hold_seconds=hold_seconds)
                block.enter_context(turn)
            clients.call(client, model, is_stream=is_stream)

    def work(self, thread: int, calls_count: int) -> None:
        clients = Clients(self.ledger, self.models_url)
        for number in range(calls_count):
            name = f"{self.name}-{thread}-{number}"
            os.write(self.log, f"o {name}\n".encode())
            self.call(clients, name, number)
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
            try:
                Caller(*sys.argv[1:], name).run(int(threads_count), int(calls_count))
            finally:
                os._exit(0)
        print(process_id, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
