"""For tests of programs: links in memory, a bad network, a manual clock, values of any type.

``values_of`` needs Hypothesis, which is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oncrpc.testing.clock import ManualClock
from oncrpc.testing.network import Fate, LossyLink, MemoryLink, bad_weather

if TYPE_CHECKING:
    from oncrpc.testing.values import values_of

__all__ = ["Fate", "LossyLink", "ManualClock", "MemoryLink", "bad_weather", "values_of"]


if not TYPE_CHECKING:  # else every name would be one of ours

    def __getattr__(name: str) -> object:
        if name != "values_of":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from oncrpc.testing.values import values_of

        return values_of
