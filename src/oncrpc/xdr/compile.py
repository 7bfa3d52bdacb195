"""From a resolved declaration to straight-line Python: the one module that uses ``exec``.

Neighbouring fields of fixed size are a *run*: one ``struct.Struct`` packs or unpacks them all, also
across the borders of nested structures, whose fields are coded in line. Code that needs a run's
values (conversions, constructors) is queued behind it. Lists are loops; only a type that contains
itself, or is nested deeply, is a call. Before anything is allocated a length is checked against its
limit and against the bytes that are left. Every check names its field by an f-string that is
evaluated only on failure.
"""

from __future__ import annotations

import struct as _struct
from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn

from oncrpc.errors import XdrError

PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")
TRUE = b"\0\0\0\1"


def define(name: str, lines: list[str], namespace: dict[str, Any]) -> Any:
    """Execute the lines of one function and return it; its source is ``__xdr_source__``."""
    source = "\n".join(lines) + "\n"
    exec(compile(source, f"<xdr {name}>", "exec"), namespace)
    made = namespace[name]
    made.__xdr_source__ = source
    return made


def short(path: str, offset: int, need: int, end: int) -> NoReturn:
    """The bytes end within a field."""
    raise XdrError(path, offset, f"need {need} bytes, have {end - offset}")


def bad(path: str, offset: int | None, reason: str) -> NoReturn:
    """The bytes, or the value, are not of the type."""
    raise XdrError(path, offset, reason)


def short_run(fields: tuple[tuple[int, str], ...], path: str, offset: int, end: int) -> NoReturn:
    """The bytes end within a run: find the field by the sizes."""
    for size, name in fields:
        if end - offset < size:
            short(path + name, offset, size, end)
        offset += size
    raise AssertionError("the run was not short")


class Writer:
    """Common parts of both directions: lines, names, constants and the run."""

    def __init__(self, codec: Callable[[Any], Any]) -> None:
        self.codec = codec
        self.lines: list[str] = []
        self.depth = 1
        self.count = 0
        self.namespace: dict[str, Any] = {
            "short": short, "short_run": short_run, "bad": bad, "PADDING": PADDING,
            "XdrError": XdrError, "unpack_from": _struct.unpack_from, "pack": _struct.pack,
            "new": object.__new__, "TRUE": TRUE,
        }  # fmt: skip
        self.format = ""

    def emit(self, line: str) -> None:
        """Write a line at the depth of now."""
        self.lines.append(self.indented(line, self.depth))

    def indented(self, line: str, depth: int) -> str:
        """The line as it stands at that depth."""
        return "    " * depth + line

    def name(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def constant(self, value: Any) -> str:
        for key, known in self.namespace.items():
            if known is value and key.startswith("C"):
                return key
        key = f"C{len(self.namespace)}"
        self.namespace[key] = value
        return key

    def struct(self, method: str) -> str:
        return self.constant(_bound(">" + self.format, method))


@cache
def _bound(layout: str, method: str) -> Any:
    return getattr(_struct.Struct(layout), method)
