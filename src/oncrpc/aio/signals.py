"""The signals that end a server: the only place of the library that sets handlers of signals."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

ENDING = (signal.SIGTERM, signal.SIGINT)
Listeners = tuple[list[Callable[[], None]], dict[signal.Signals, Any]]

_listeners: dict[asyncio.AbstractEventLoop, Listeners] = {}
"""By event loop: what to call at a signal, and the handlers to restore when nothing is left."""


@contextmanager
def ending_signals(ended: Callable[[], None]) -> Iterator[None]:
    """Have ``ended`` called at SIGTERM or SIGINT, along with those of other servers on the loop.

    Outside the main thread signals cannot be handled, and ``ended`` is never called.
    """
    loop = asyncio.get_running_loop()
    callbacks, before = _listeners.setdefault(loop, ([], {}))
    if not callbacks:
        with suppress(RuntimeError, ValueError):  # not the main thread
            for number in ENDING:
                handler = signal.getsignal(number)
                loop.add_signal_handler(number, lambda: [each() for each in callbacks])
                before[number] = handler
    callbacks.append(ended)
    try:
        yield
    finally:
        callbacks.remove(ended)
        restored = {} if callbacks else _listeners.pop(loop)[1]
        for number, handler in restored.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler or signal.SIG_DFL)
