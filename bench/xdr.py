"""How much faster are our codecs than XDR written by hand?

The same values are encoded and decoded by our codecs, by functions over ``standard-xdrlib`` that
make the same objects, and by ``construct``, which makes its own. Before anything is timed, the
three must give identical bytes and read them back. Each repeat times the three in turn, so that
the ratios hold on a busy machine. A ratio is the time of the other divided by ours.

The case of opaque data has little to save: all three copy 64 KiB once in each direction.
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import distribution, version
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from time import thread_time
from typing import Any, NamedTuple

from by_xdrlib import DECODERS, ENCODERS
from values import VALUES

from oncrpc import xdr

REPEATS = 31
SECONDS = 0.01
"""Seconds of one timing of our codec."""


def xdrlib() -> Any:
    """standard-xdrlib; before Python 3.13 the standard library's own hides it."""
    path = Path(str(distribution("standard-xdrlib").locate_file("xdrlib/__init__.py")))
    spec = spec_from_file_location("xdrlib", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        spec.loader.exec_module(module)
    return module


class Race(NamedTuple):
    """One direction of one case, done by each of the three."""

    name: str
    ours: Callable[[], Any]
    others: Mapping[str, Callable[[], Any]]

    def ratios(self) -> dict[str, list[float]]:
        """The time of the others divided by ours, in each repeat."""
        calls = max(1, int(SECONDS / timed(self.ours, 3)))
        found: dict[str, list[float]] = {name: [] for name in self.others}
        for _ in range(REPEATS):
            ours = timed(self.ours, calls)
            for name, other in self.others.items():
                found[name].append(timed(other, max(1, calls // 4)) / ours)
        return found


def timed(function: Callable[[], Any], calls: int) -> float:
    """Processor seconds of a call."""
    rounds = range(calls)
    start = thread_time()
    for _ in rounds:
        function()
    return (thread_time() - start) / calls


def races(library: Any, constructs: dict[str, Any]) -> list[Race]:
    """Both directions of every case, after a check that all three agree."""
    found = []
    for name, (declared, value, plain) in VALUES.items():
        codec, built = xdr.codec(declared), constructs[name]
        wire = codec.encode(value)
        encoders = {
            "xdrlib": partial(packed, library, ENCODERS[name], value),
            "construct": partial(built.build, plain),
        }
        decoders = {
            "xdrlib": partial(unpacked, library, DECODERS[name], wire),
            "construct": partial(built.parse, wire),
        }
        assert all(encode() == wire for encode in encoders.values())
        assert codec.decode(wire) == decoders["xdrlib"]() == value
        assert built.build(decoders["construct"]()) == wire
        found.append(Race(f"{name}, encode", partial(codec.encode, value), encoders))
        found.append(Race(f"{name}, decode", partial(codec.decode, wire), decoders))
    return found


def packed(library: Any, pack: Callable[[Any, Any], None], value: Any) -> bytes:
    packer = library.Packer()
    pack(packer, value)
    buffer: bytes = packer.get_buffer()
    return buffer


def unpacked(library: Any, unpack: Callable[[Any], Any], wire: bytes) -> Any:
    unpacker = library.Unpacker(wire)
    value = unpack(unpacker)
    unpacker.done()
    return value


def main() -> None:
    """Print a line for each comparison: the median, the lowest and the highest ratio."""
    try:
        from by_construct import CONSTRUCTS

        others = [f"{name} {version(name)}" for name in ("standard-xdrlib", "construct")]
    except ImportError:
        sys.exit("bench/xdr.py: the others are missing: pip install -e '.[bench]'")
    gc.disable()  # as timeit does: what it collects is of other repeats
    print(f"{processor()}, {os.cpu_count()} cpus; Python {platform.python_version()};", end=" ")
    print(", ".join(others))
    print(f"times as long as ours: median (least to most) of {REPEATS} repeats\n")
    print(f"{'':34}{'ours':>9}  {'standard-xdrlib':<22}{'construct'}")
    for race in races(xdrlib(), CONSTRUCTS):
        ours = min(timed(race.ours, 20) for _ in range(5))
        cells = [shown(ratios) for ratios in race.ratios().values()]
        print(f"{race.name:34}{ours * 1e6:6.1f} us  {cells[0]:<22}{cells[1]}")


def shown(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):5.1f} ({min(ratios):.1f} to {max(ratios):.1f})"


def processor() -> str:
    """The model of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")


if __name__ == "__main__":
    main()
