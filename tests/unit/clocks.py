"""Clocks that stand still until a test moves them."""


class Monotonic:
    """Replaces the module `time` where only its monotonic clock is read."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s
