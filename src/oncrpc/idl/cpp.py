"""The system's C preprocessor, for what needs it: ``#include``, ``#if`` and macros."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from oncrpc.bounded_process import ProcessLimits, run_bounded
from oncrpc.errors import IdlError
from oncrpc.idl.conditions import defined
from oncrpc.idl.directives import DIRECTIVE, ends_in_comment, is_simple
from oncrpc.idl.passthrough import PassThrough
from oncrpc.idl.source import CompileOptions, SourceText

UNDEFINED = {"RPC_XDR", "RPC_SVC", "RPC_CLNT", "RPC_TBL"}
SYSTEM = "/usr/include"
MARKER = re.compile(r'#\s+(\d+)\s+"((?:[^"\\]|\\.)*)"')
PASSED_ON = re.compile(r"^%(?:.*\\\n)+.*", re.MULTILINE)
LIMITS = ProcessLimits(seconds=10, memory=1 << 30, output=1 << 20)
"""A short file may ask for any amount of work: macros that double, a file that includes itself."""

OUT_OF_MEMORY = re.compile("out of memory|memory exhausted")
COMPLAINT = re.compile(r"(.*?):(\d+):(?:(\d+):)? (?:fatal )?error: (.*)")


def copy_by_cpp(
    source: SourceText,
    text: str,
    names: dict[str, str],
    settings: CompileOptions,
    *,
    needed_at: int,
) -> None:
    """Add the lines that ``cpp`` makes of the text; line ``needed_at``, from 0, is why it runs.

    Raises:
        IdlError: there is no ``cpp``, it reports an error, or it exceeds ``LIMITS``.
    """
    tool = shutil.which("cpp")
    if tool is None:
        line = text.split("\n")[needed_at]
        reason = f"'{line.strip()}' needs the C preprocessor, and there is no 'cpp'"
        raise source.error(needed_at + 1, line, reason)
    command = [tool, *_options(source, names, settings)]
    _follow(source, _run(command, source, text, needed_at=needed_at))


def _options(source: SourceText, names: dict[str, str], settings: CompileOptions) -> list[str]:
    options = ["-C", "-dD", "-w", "-undef", "-nostdinc"]
    options += [f"-D{name}={value}" for name, value in names.items()]
    options += [f"-U{name}" for name in sorted(UNDEFINED - names.keys())]
    options += ["-iquote", str(Path(source.file).parent)]
    return [*options, *(f"-I{path}" for path in settings.include), "-idirafter", SYSTEM]


def _run(command: list[str], source: SourceText, text: str, *, needed_at: int) -> list[str]:
    """The lines of ``cpp -dD``: includes opened, macros replaced, comments and #defines kept."""
    name = source.file.replace("\\", "\\\\").replace('"', '\\"')
    marked = f'# 1 "{name}"\n{PASSED_ON.sub(_joined, text)}'
    done = run_bounded(command, marked.encode(), LIMITS)
    exceeded, errors = done.exceeded, done.errors.decode(errors="replace")
    if done.status and OUT_OF_MEMORY.search(errors) and not COMPLAINT.search(errors):
        exceeded = f"{LIMITS.memory >> 20} MiB of memory"
    if exceeded:
        advice = "include each file once, and use smaller macros"
        line = text.split("\n")[needed_at]
        raise source.error(needed_at + 1, line, f"cpp exceeded {exceeded}: {advice}")
    if done.status:
        raise _complaint(source, text, errors)
    return done.output.decode(errors="replace").removesuffix("\n").split("\n")


def _joined(found: re.Match[str]) -> str:
    """A ``%`` line and those that continue it as one line, and empty lines in their place."""
    lines = found[0].split("\\\n")
    return "".join(lines) + "\n" * (len(lines) - 1)


def _complaint(source: SourceText, text: str, errors: str) -> IdlError:
    found = next((m for m in map(COMPLAINT.match, errors.splitlines()) if m), None)
    if found is None:
        return IdlError(source.file, 1, 1, reason=f"cpp: {errors.strip()}")
    number, lines = int(found[2]), text.split("\n")
    line = lines[number - 1] if found[1] == source.file and number <= len(lines) else ""
    return IdlError(found[1], number, int(found[3] or 1), reason=f"cpp: {found[4]}", text=line)


def _follow(source: SourceText, lines: list[str]) -> None:
    """Take the output of ``cpp``; its line markers name the file and line of the next line."""
    file, number = source.file, 1
    passed = PassThrough(source)
    inside = False
    for line in lines:
        marker = None if inside else MARKER.match(line)
        if marker:
            number, file = int(marker[1]), re.sub(r"\\(.)", r"\1", marker[2])
            continue
        directive = None if inside else DIRECTIVE.match(line)
        inside = ends_in_comment(line, inside)
        kept = ""
        if directive is None:
            kept = passed.line(line, file, number)
        elif directive[1] == "define" and not file.startswith("<") and is_simple(directive[2]):
            kept = defined(directive[2], {})
        source.add(kept, file, number)
        number += 1
