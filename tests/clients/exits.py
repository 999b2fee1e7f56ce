"""Programs that record a turn and end in one of several ways; run by `test_exits.py`."""

import os
import signal
import sys
import threading

from turnledger import Ledger, Turn, current_turn

LEDGER = Ledger(personality_id="pers_a")


def record(name: str) -> None:
    with LEDGER.turn(turn_id=name) as turn:
        turn.usage(input_tokens=1)


def script() -> None:
    """End right after the block: the exit hook sends."""
    record("script")


def hard_exit() -> None:
    """End without exit hooks, as children of Celery and RQ do."""
    record("hard-exit")
    os._exit(0)


def terminated() -> None:
    """End by SIGTERM, for which a library installs no handler."""
    record("terminated")
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait()


def killed_inside() -> None:
    """End by SIGKILL between the start and the end of a turn."""
    with LEDGER.turn(turn_id="killed-inside") as turn:
        turn.started()
        os.kill(os.getpid(), signal.SIGKILL)


def open_stream() -> None:
    """End with a stream that nobody read to its end."""
    with LEDGER.turn(turn_id="open-stream") as turn:
        items = turn.stream(iter("ab"))
    next(items)


def forked() -> None:
    """Fork inside a turn: parent and child each record their own."""
    record("before-fork")
    with LEDGER.turn(turn_id="parent") as turn:
        child = os.fork()
        if not child:
            assert current_turn() is None
            record("child")
            os._exit(0 if LEDGER.flush(10) else 1)
        turn.usage(input_tokens=2)
        assert os.waitpid(child, 0)[1] == 0


def threads() -> None:
    """Record from several threads at once."""
    workers = [threading.Thread(target=record, args=(f"thread-{n}",)) for n in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def send() -> None:
    """Record one turn more, and send what ended processes have left."""
    LEDGER.record(Turn(status="completed", latency_ms=1, turn_id="later"))
    assert LEDGER.flush(10)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
