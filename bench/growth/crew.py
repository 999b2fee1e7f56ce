"""Producers in processes of their own, which take each step together."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from bench.growth.producer import Producer, Setting

STEP_TIMEOUT_S = 900


@dataclass(frozen=True, slots=True)
class Crew:
    """The processes that are ready, each at the other end of a pipe."""

    ends: Sequence[Connection]

    def all(self, step: str) -> list[Any]:
        """Have all processes begin a step of `Producer` at once; return their answers.

        AssertionError if one does not answer, EOFError if one has died.
        """
        for end in self.ends:
            end.send(step)
        answers = []
        for end in self.ends:
            assert end.poll(STEP_TIMEOUT_S), f"no answer to {step} after {STEP_TIMEOUT_S} s"
            answers.append(end.recv())
        return answers


@contextmanager
def standing_crew(setting: Setting) -> Iterator[Crew]:
    """Start as many processes as the setting has workers; they end with the block."""
    # Fresh ones: nothing of this process may be in their memory or in their CPU seconds.
    context = get_context("spawn")
    with ExitStack() as stack:
        ends = []
        for number in range(setting.workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(setting, number, theirs))
            process.start()
            theirs.close()
            # Called in reverse order: an end that is closed ends its process.
            stack.callback(process.join)
            stack.callback(ours.close)
            ends.append(ours)
        crew = Crew(ends)
        crew.all("ready")
        yield crew


def _serve(setting: Setting, number: int, end: Connection) -> None:
    producer = Producer(setting, number)
    try:
        while True:
            end.send(getattr(producer, end.recv())())
    except EOFError:
        producer.close()
