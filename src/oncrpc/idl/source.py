"""A text on its way to the grammar, with the file and line that each of its lines came from."""

from __future__ import annotations

from dataclasses import dataclass, field

from oncrpc.errors import IdlError


@dataclass(slots=True)
class CompileOptions:
    """The options of a compilation: names defined, and folders for included files.

    ``imports`` are the Python modules of included files, by their names without ``.x``: their
    declarations are imported from there. Those of other included files are repeated.
    """

    define: dict[str, str] = field(default_factory=dict)
    include: list[str] = field(default_factory=list)
    imports: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hidden:
    """A declaration that C code makes, written as a ``.x`` has it; used if nothing else is found.

    A ``#define`` of a word is both ``const`` and ``typedef``: the use decides which one counts.
    """

    name: str
    text: str
    file: str
    line: int


@dataclass(slots=True)
class SourceText:
    """The lines for the grammar and their places.

    ``hidden`` are the declarations of ``%`` lines and of ``-D``; a later one overrides an earlier
    one. ``headers`` are the names, without ``.h``, of ``%#include``.
    """

    file: str
    lines: list[str] = field(default_factory=list)
    places: list[tuple[str, int]] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def add(self, line: str, file: str, number: int) -> None:
        """Append a line that came from there."""
        self.lines.append(line)
        self.places.append((file, number))

    def error(self, number: int, line: str, reason: str) -> IdlError:
        """An error at the first character of a line of the file itself."""
        column = len(line) - len(line.lstrip()) + 1
        return IdlError(self.file, number, column, reason=reason, text=line)
