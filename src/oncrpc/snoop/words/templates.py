"""Templates of lines: words, with fields that are read from the message in their order.

``"FH={fh} at {hyper} for {uint}"`` reads a file handle, a hyper and an unsigned int. A field whose
name begins with ``-`` is read and not shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from oncrpc.snoop.words.cursor import Cursor, CutShort, handle_hash

Reader = Callable[[Cursor], object]
FIELD = re.compile(r"\{([^}]*)\}")
MORE = "..."
"""Stands for what was not captured."""

FHSIZE = 32
"""Bytes of a file handle of NFS 2."""


class Complete(Exception):  # an outcome: a status that is not followed by results
    """Raised by a field after which the message has nothing that is shown."""

    def __init__(self, shown: str) -> None:
        super().__init__(shown)
        self.shown = shown


class TemplatePart(NamedTuple):
    """Words, and the field behind them."""

    before: str
    reader: Reader | None
    shown: bool = True


class LineTemplate:
    """A compiled template; ``text`` is its source."""

    __slots__ = ("parts", "text")

    def __init__(self, text: str, readers: Mapping[str, Reader]) -> None:
        self.text = text
        pieces = FIELD.split(text)
        names = pieces[1::2]
        parts = [
            TemplatePart(before, readers[name.removeprefix("-")], not name.startswith("-"))
            for before, name in zip(pieces[::2], names, strict=False)
        ]
        self.parts = (*parts, TemplatePart(pieces[-1], None))

    def render(self, cursor: Cursor) -> str:
        """The line, as far as the message goes."""
        words: list[str] = []
        for before, reader, shown in self.parts:
            words.append(before)
            if reader is None:
                break
            try:
                value = reader(cursor)
            except CutShort as cut:
                words.append(cut.shown + MORE)
                break
            except Complete as complete:
                words.append(complete.shown)
                break
            if shown:
                words.append(str(value))
        return "".join(words)


def file_handle(cursor: Cursor) -> str:
    """A file handle of NFS 3 or 4."""
    return f"{handle_hash(cursor.opaque()):04X}"


def file_handle_2(cursor: Cursor) -> str:
    """A file handle of NFS 2."""
    return f"{handle_hash(cursor.fixed(FHSIZE)):04X}"


def seen_by_name(names: Mapping[int, str], otherwise: str = "?") -> Reader:
    """A reader of a number that is shown by its name."""
    return lambda cursor: names.get(cursor.uint(), otherwise)


class StatusReader:
    """Reads a status: unless it is ``ok``, the line ends after it."""

    __slots__ = ("ok", "words")

    def __init__(self, words: Mapping[int, str], ok: int = 0) -> None:
        self.words, self.ok = words, ok

    def __call__(self, cursor: Cursor) -> str:
        """The word for the status."""
        status = cursor.uint()
        shown = self.words.get(status, f"(unknown error {status})")
        if status != self.ok:
            raise Complete(shown)
        return shown


def bits_of(names: Mapping[int, str]) -> Reader:
    """A reader of a set of flags."""

    def read(cursor: Cursor) -> str:
        bits = cursor.uint()
        return ",".join(name for bit, name in names.items() if bits & bit)

    return read


class Skipped:
    """Skips bytes that are not shown."""

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, cursor: Cursor) -> None:
        """Move the cursor."""
        cursor.skip(self.size)


class SkippedOptionals:
    """Skips optional fields that are not shown; each has a bool before it."""

    __slots__ = ("sizes",)

    def __init__(self, *sizes: int) -> None:
        self.sizes = sizes

    def __call__(self, cursor: Cursor) -> None:
        """Move the cursor."""
        for size in self.sizes:
            if cursor.uint():
                cursor.skip(size)


COMMON: dict[str, Reader] = {
    "uint": Cursor.uint,
    "int": Cursor.signed,
    "hyper": Cursor.hyper,
    "text": Cursor.text,
    "opaque": Cursor.skip_opaque,
    "fh": file_handle,
    "fh2": file_handle_2,
    "word": Skipped(4),
    "double": Skipped(8),
}
"""Fields that every program has."""


def compiled(
    templates: Mapping[int, str], readers: Mapping[str, Reader] | None = None
) -> dict[int, LineTemplate]:
    """The templates of a program's calls or replies, by procedure."""
    known = COMMON | dict(readers or {})
    return {number: LineTemplate(text, known) for number, text in templates.items()}


class Wording(NamedTuple):
    """The words for a version of a program: templates by procedure.

    ``names`` are those of the procedures; a procedure without a template is shown by its name.
    """

    label: str
    names: tuple[str, ...]
    calls: Mapping[int, LineTemplate]
    replies: Mapping[int, LineTemplate]

    def call(self, number: int, cursor: Cursor) -> str | None:
        """The line of a call, None if the procedure is not known."""
        if number >= len(self.names):
            return None
        template = self.calls.get(number)
        said = template.render(cursor) if template else ""
        return f"{self.label} C {self.names[number]} {said}".rstrip()

    def reply(self, number: int, cursor: Cursor) -> str | None:
        """The line of a reply to a call that was carried out."""
        if number >= len(self.names):
            return None
        template = self.replies.get(number)
        said = template.render(cursor) if template else ""
        return f"{self.label} R {self.names[number]} {said}".rstrip()
