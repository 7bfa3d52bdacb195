"""Running a target on made-up input: bounded in time and memory, and every input made twice alike.

Input ``number`` of a run is made from the seed, the target and that number alone, so that one input
is reproduced without those before it. What a target raises is a find, save what it declares itself;
so is an input that takes too long, or that something in the package logs an exception about.
"""

from __future__ import annotations

import hashlib
import logging
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType
from typing import NamedTuple

CORPUS = Path(__file__).resolve().parents[1] / "tests" / "corpus"
LONGEST = 5.0
"""Seconds of the processor that an input may take: a thousand times what the slowest does."""

SHRINK_TRIES = 2000


class Target(NamedTuple):
    """A layer: how input is made up, and what reads it.

    ``run`` raises nothing: what its layer declares it takes, and judges what came out.
    """

    name: str
    make: Callable[[Random], bytes]
    run: Callable[[bytes], None]


class Find(NamedTuple):
    """Input that broke a target."""

    target: str
    data: bytes
    error: BaseException


class TooSlow(Exception):
    """The input took longer than ``LONGEST``."""


class LoggedException(Exception):
    """An exception was caught where none should be, and logged."""


class _Watch(logging.Handler):
    """Makes an exception that is logged one that is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.seen = record.exc_info[1]


@contextmanager
def watched() -> Iterator[_Watch]:
    """The log is read by us alone."""
    watch, log = _Watch(), logging.getLogger("oncrpc")
    before = log.propagate, log.level
    log.addHandler(watch)
    log.propagate = False
    log.setLevel(logging.ERROR)
    try:
        yield watch
    finally:
        log.removeHandler(watch)
        log.propagate = before[0]
        log.setLevel(before[1])


def attempt(target: Target, data: bytes) -> Find | None:
    """Run the target on an input; what that found."""
    with watched() as watch, limited():
        try:
            target.run(data)
        except Exception as error:
            return Find(target.name, data, error)
    if watch.seen is not None:
        found = LoggedException(repr(watch.seen))
        found.__cause__ = watch.seen
        return Find(target.name, data, found)
    return None


@contextmanager
def limited() -> Iterator[None]:
    """Within it, ``TooSlow`` is raised when the time is over."""

    def over(_: int, __: FrameType | None) -> None:
        raise TooSlow(f"over {LONGEST} s")

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def made(target: Target, seed: int, number: int) -> bytes:
    """An input of a run."""
    return target.make(Random(f"{seed} {target.name} {number}"))


def search(target: Target, seed: int, *, seconds: float, inputs: int | None = None) -> int | Find:
    """Try inputs for so long, or so many; how many that were, or what was found."""
    until, number = time.monotonic() + seconds, 0
    while time.monotonic() < until and number != inputs:
        found = attempt(target, made(target, seed, number))
        if found is not None:
            return shrunk(target, found)
        number += 1
    return number


def shrunk(target: Target, found: Find) -> Find:
    """The same kind of error from less input, as far as a moment of trying gets."""
    size, tries = max(len(found.data) // 2, 1), SHRINK_TRIES
    while size and not isinstance(found.error, TooSlow):
        at, before = 0, found
        while at < len(found.data) and tries:
            tries -= 1
            less = attempt(target, found.data[:at] + found.data[at + size :])
            if less is not None and type(less.error) is type(found.error):
                found = less
            else:
                at += size
        if found is before or not tries:
            size //= 2
    return found


def keep(found: Find, folder: Path = CORPUS) -> Path:
    """Write the input to where a test runs it from now on."""
    path = folder / found.target / hashlib.sha256(found.data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(found.data)
    return path


def kept(name: str, folder: Path = CORPUS) -> Sequence[Path]:
    """The inputs that broke a target once."""
    return sorted((folder / name).glob("*"))
