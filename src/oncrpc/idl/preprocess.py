"""What rpcgen does to a ``.x`` before reading it: ``%`` lines and the C preprocessor's.

Conditions on names and constants are done here, line by line, so that every line keeps its place.
What needs more (``#include``, ``#if``, macros) is left to the system's ``cpp``, whose line markers
are followed. A ``#define`` of a constant becomes ``const``. ``%`` lines, C code for rpcgen's
output, are dropped; a comment that they make is kept, and a constant or a header that they name
is remembered for a name that nothing else declares.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from oncrpc.errors import IdlError

PREDEFINED = {"RPC_HDR": "1"}
"""rpcgen runs once an output, with another name defined each time; ours are the declarations."""

UNDEFINED = {"RPC_XDR", "RPC_SVC", "RPC_CLNT", "RPC_TBL"}

SYSTEM = "/usr/include"

DIRECTIVE = re.compile(r"\s*#\s*(\w+)?\s*(.*)")
DEFINE = re.compile(r"(\w+)(?:\s+(.*))?$")
CONSTANT = re.compile(r'(?!.*\w\s+\w)[\w\s()+\-*/%&|^~<>]+|"[^"]*"')
MARKER = re.compile(r'#\s+(\d+)\s+"((?:[^"\\]|\\.)*)"')
COMMENT = re.compile(r"/\*.*?(?:\*/|$)|//.*$")
APART = re.compile(r'"[^"\n]*"|/\*.*?\*/|//.*$')
"""What has nothing of a comment that goes on: texts, and whole comments."""

PASSED = re.compile(r"%\s*#\s*(define|include)\s+(.*)")
PASSED_ON = re.compile(r"^%(?:.*\\\n)+.*", re.MULTILINE)
HEADER = re.compile(r'[<"]([^>"]+)\.h[>"]')
COMPLAINT = re.compile(r"(.*?):(\d+):(?:(\d+):)? (?:fatal )?error: (.*)")
NAMING = {"ifdef", "ifndef", "undef"}
NAME = re.compile(r"[A-Za-z_]\w*")
IGNORED = {"ident", "pragma", "line", "warning", None}


@dataclass(slots=True)
class Settings:
    """The options of a compilation: names defined, and folders for included files."""

    define: dict[str, str] = field(default_factory=dict)
    include: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Source:
    """A text with the file and line of each of its lines.

    ``hidden`` are the constants of ``%#define``, as ``const`` lines; ``headers`` the names,
    without ``.h``, of ``%#include``.
    """

    file: str
    lines: list[str] = field(default_factory=list)
    places: list[tuple[str, int]] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def add(self, line: str, file: str, number: int) -> None:
        self.lines.append(line)
        self.places.append((file, number))

    def error(self, number: int, line: str, reason: str) -> IdlError:
        column = len(line) - len(line.lstrip()) + 1
        return IdlError(self.file, number, column, reason=reason, text=line)


def preprocess(text: str, file: str, *, settings: Settings | None = None) -> Source:
    """The text that the grammar reads.

    Raises:
        IdlError: a condition without an end, or a directive for ``cpp`` that it refuses, or when
            there is no ``cpp``.
    """
    settings = settings or Settings()
    names = {**PREDEFINED, **settings.define}
    source = Source(file)
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    hard = next(_hard(lines), None)
    if hard is None:
        _conditions(source, lines, names)
    else:
        tool = shutil.which("cpp")
        if tool is None:
            reason = f"'{lines[hard].strip()}' needs the C preprocessor, and there is no 'cpp'"
            raise source.error(hard + 1, lines[hard], reason)
        _follow(source, _run(tool, source, text, settings))
    for name, value in settings.define.items():
        if CONSTANT.fullmatch(value):
            source.add(f"const {name} = {value};", "command line", 1)
    return source


def _hard(lines: list[str]) -> Iterator[int]:
    """The lines that are more than conditions on names and constants."""
    for number, line, word, rest in _directives(lines):
        if word in ("if", "elif", "include", "error"):
            yield number
        if (word == "define" and not _simple(rest)) or line.endswith("\\"):
            yield number


def _simple(rest: str) -> bool:
    """Whether what follows ``#define`` is a name, alone or with a constant."""
    found = DEFINE.match(COMMENT.sub(" ", rest).strip())
    return bool(found and (not found[2] or CONSTANT.fullmatch(found[2])))


def _directives(lines: list[str]) -> Iterator[tuple[int, str, str | None, str]]:
    inside = False
    for number, line in enumerate(lines):
        found = None if inside else DIRECTIVE.match(line)
        if found:
            yield number, line, found[1], found[2]
        inside = _ends_in_comment(line, inside)


def _ends_in_comment(line: str, inside: bool) -> bool:
    if inside:
        _, end, line = line.partition("*/")
        if not end:
            return True
    return "/*" in APART.sub(" ", line)


def _conditions(source: Source, lines: list[str], names: dict[str, str]) -> None:
    directives = {number: (word, rest) for number, _, word, rest in _directives(lines)}
    open_at: list[tuple[int, bool]] = []
    passed = _Passed(source)
    for number, line in enumerate(lines):
        kept = ""
        on = all(state for _, state in open_at)
        word, rest = directives.get(number, ("", ""))
        if word in NAMING and not NAME.match(rest):
            raise source.error(number + 1, line, f"#{word} without a name")
        if word in ("ifdef", "ifndef"):
            open_at.append((number, (_name(rest) in names) is (word == "ifdef")))
        elif word in ("else", "endif"):
            if not open_at:
                raise source.error(number + 1, line, f"#{word} without #ifdef")
            at, state = open_at.pop()
            if word == "else":
                open_at.append((at, not state))
        elif on and word == "define":
            kept = _defined(rest, names)
        elif on and word == "undef":
            names.pop(_name(rest), None)
        elif on and word == "":
            kept = passed.line(line)
        elif word != "" and word not in IGNORED and word not in ("define", "undef"):
            raise source.error(number + 1, line, f"unknown directive '#{word}'")
        source.add(kept, source.file, number + 1)
    if open_at:
        number = open_at[-1][0]
        raise source.error(number + 1, lines[number], "no #endif for this condition")


def _name(rest: str) -> str:
    found = NAME.match(rest)
    return found[0] if found else ""


def _defined(rest: str, names: dict[str, str]) -> str:
    """Note the name; a constant becomes ``const``, a comment behind it stays."""
    found = DEFINE.match(COMMENT.sub(" ", rest).strip())
    assert found is not None, "_hard has looked"
    names[found[1]] = found[2] or ""
    comment = COMMENT.search(rest)
    return f"const {found[1]} = {found[2]}; {comment[0] if comment else ''}" if found[2] else ""


class _Passed:
    """Reads the lines passed through to C; those of a comment stay, without their ``%``.

    Within a comment of the file itself ``%`` is as good as any other character, as for rpcgen.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.inside = self.comment = self.continued = False

    def line(self, line: str) -> str:
        """The line for the grammar."""
        if self.continued:
            self.continued = line.endswith("\\")
            return ""
        if self.inside or not line.startswith("%"):
            self.inside = _ends_in_comment(line, self.inside)
            return line
        self.continued = line.endswith("\\")
        body = line[1:]
        if self.comment or body.lstrip().startswith("/*"):
            self.comment = "*/" not in body
            return " " + body
        self._remember(line)
        return ""

    def _remember(self, line: str) -> None:
        found = PASSED.match(line)
        if not found:
            return
        rest = COMMENT.sub(" ", found[2]).strip()
        if found[1] == "include":
            header = HEADER.match(rest)
            self.source.headers += [header[1]] if header else []
        elif (defined := DEFINE.match(rest)) and defined[2] and CONSTANT.fullmatch(defined[2]):
            self.source.hidden.append(f"const {defined[1]} = {defined[2]};")


def _run(tool: str, source: Source, text: str, settings: Settings) -> list[str]:
    """The lines of ``cpp -dD``: includes opened, macros replaced, comments and #defines kept."""
    folder = str(Path(source.file).parent)
    names = {**PREDEFINED, **settings.define}
    options = [f"-D{name}={value}" for name, value in names.items()]
    options += [f"-U{name}" for name in sorted(UNDEFINED - names.keys())]
    options += [
        "-iquote",
        folder,
        *(f"-I{path}" for path in settings.include),
        "-idirafter",
        SYSTEM,
    ]
    name = source.file.replace("\\", "\\\\").replace('"', '\\"')
    done = subprocess.run(
        [tool, "-C", "-dD", "-w", "-undef", "-nostdinc", *options],
        input=f'# 1 "{name}"\n{PASSED_ON.sub(_joined, text)}'.encode(),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise _complaint(source, text, done.stderr.decode(errors="replace"))
    return done.stdout.decode(errors="replace").removesuffix("\n").split("\n")


def _joined(found: re.Match[str]) -> str:
    """A line passed through and those that continue it as one, and empty lines in their place."""
    lines = found[0].split("\\\n")
    return "".join(lines) + "\n" * (len(lines) - 1)


def _complaint(source: Source, text: str, errors: str) -> IdlError:
    found = next((m for m in map(COMPLAINT.match, errors.splitlines()) if m), None)
    if found is None:
        return IdlError(source.file, 1, 1, reason=f"cpp: {errors.strip()}")
    number, lines = int(found[2]), text.splitlines()
    line = lines[number - 1] if found[1] == source.file and number <= len(lines) else ""
    return IdlError(found[1], number, int(found[3] or 1), reason=f"cpp: {found[4]}", text=line)


def _follow(source: Source, lines: list[str]) -> None:
    """Take the output of ``cpp``; its line markers name the file and line of the next line."""
    file, number = source.file, 1
    passed = _Passed(source)
    inside = False
    for line in lines:
        marker = None if inside else MARKER.match(line)
        if marker:
            number, file = int(marker[1]), re.sub(r"\\(.)", r"\1", marker[2])
            continue
        directive = None if inside else DIRECTIVE.match(line)
        inside = _ends_in_comment(line, inside)
        kept = ""
        if directive is None:
            kept = passed.line(line)
        elif directive[1] == "define" and not file.startswith("<") and _simple(directive[2]):
            kept = _defined(directive[2], {})
        source.add(kept, file, number)
        number += 1
