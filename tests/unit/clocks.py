"""Clocks that stand until a test moves them."""


class Monotonic:
    """Stands for the module `time` where only the monotonic clock is asked."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s
