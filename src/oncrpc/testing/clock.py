"""A clock that only the test moves."""

from __future__ import annotations


class ManualClock:
    """Called, it tells the time in seconds; it stands still until it is advanced."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let the time pass.

        Raises:
            ValueError: it would run backwards.
        """
        if seconds < 0:
            raise ValueError(f"a clock does not go back {-seconds} s")
        self.now += seconds
