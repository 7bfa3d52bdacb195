"""Write docs/reference/rpcsnoop-words.md: the words of rpcsnoop for each procedure.

All of it comes from the tables of ``oncrpc.snoop.words``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import IntEnum
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from oncrpc import programs as package
from oncrpc.programs import nfs4
from oncrpc.rpc import Version
from oncrpc.rpc.program import AnyProcedure
from oncrpc.snoop.words import locks, nis, rquota, statuses
from oncrpc.snoop.words.header import ACCEPTED, REASONS
from oncrpc.snoop.words.names import FLAVORS, PROGRAM_NAMES, name_of_program
from oncrpc.snoop.words.nfs4 import NFS_4_CALLBACK, CompoundWords
from oncrpc.snoop.words.nfs4_arguments import ARGUMENTS, CALLBACK_ARGUMENTS
from oncrpc.snoop.words.nfs4_results import RESULTS
from oncrpc.snoop.words.programs import WORDS, versions_of, words_of
from oncrpc.snoop.words.templates import FIELD, Wording
from oncrpc.xdr import codec
from oncrpc.xdr.nodes import StructNode

PAGE = Path(__file__).resolve().parent / "reference" / "rpcsnoop-words.md"
HEAD = """\
# The words of rpcsnoop

<!-- Made from the source by docs/make_reference.py; do not edit. -->

The text after the addresses in a line of [rpcsnoop](rpcsnoop.md), for each procedure of the
built-in programs.
`C` is a call and `R` a reply. Fields of the message are in braces:

- `{fh}`: a hash of a file handle, of four hexadecimal digits; snoop shows the same one.
- `{number}`, `{text}`, `{mask}`: a value of the message. Control characters are shown as escapes.
- `{status}`: `OK`, or the [words for an error](#statuses). The line ends after an error.
- Any other name: a fixed set of words, such as `read,lookup` for `{access}`.

`...` at the end of a line stands for bytes that were not captured. `(retransmit)` marks a call that
was sent before, `(duplicate)` a repeated reply to the same call.
"""
PLAIN = {
    "uint": "number", "int": "number", "hyper": "number", "fh2": "fh", "object": "fh",
    "status2": "status", "status3": "status", "loads4": "loads",
}  # fmt: skip
"""Names of fields on the page, if they differ from those in the templates."""

OPTIONAL = {"optional_handle": "[ FH={fh}]", "end": "[ EOF]"}
"""Fields that may be missing."""

STATUSES: dict[str, Mapping[int, str]] = {
    "NFS 2, MOUNT 1 and 2": statuses.NFS2_STATUS,
    "NFS 3": statuses.NFS3_STATUS,
    "MOUNT 3": statuses.MOUNT3_STATUS,
    "NLM": locks.OUTCOMES,
    "RQUOTA": rquota.OUTCOMES,
    "NIS": nis.STATUS,
    "NIS, transfer of a map": nis.TRANSFER,
    "NISBIND": nis.BINDING_ERRORS,
    "RPC: calls that were not executed": ACCEPTED,
    "RPC: credentials that were rejected": REASONS,
}


def page() -> str:
    """The text of the page."""
    parts = [HEAD, *_programs(), *_compound(), *_other_words(), "## Statuses", *_statuses()]
    return "\n".join(parts) + "\n"


def every_version() -> list[type[Version]]:
    """All versions that are declared in the package, in the order of their numbers."""
    names = [each.name for each in iter_modules(package.__path__)]
    modules = [import_module(f"oncrpc.programs.{name}") for name in names]
    found = {each for module in modules for each in versions_of(module)}
    return sorted(found, key=lambda each: (each.prog, each.vers, each.__name__))


def _programs() -> Iterator[str]:
    """A table for each version, except for NFS 4, which has a section of its own."""
    for version in every_version():
        key = (version.prog, version.vers)
        words = words_of(key) if key in WORDS else None
        if isinstance(words, CompoundWords) and version.__module__ == nfs4.__name__:
            continue
        name = name_of_program(version.prog)
        title = version.__name__ if name in ("?", "transient") else f"{name} {version.vers}"
        yield f"## {title}\n"
        yield f"Program {version.prog}, version {version.vers}.\n"
        yield "| Procedure | Call | Reply |"
        yield "|---|---|---|"
        wording = words if isinstance(words, Wording) else None
        yield from (_row(version, each, wording) for each in _sorted(version))
        yield ""


def _sorted(version: type[Version]) -> list[AnyProcedure]:
    return [procedure for _, procedure in sorted(version.procedures.items())]


def _row(version: type[Version], procedure: AnyProcedure, words: Wording | None) -> str:
    """The row of a procedure, from its templates or from the names of its fields."""
    if words is None:
        label = name_of_program(version.prog)
        label = version.__name__ if label in ("?", "transient") else label
        call = f"{label} C {procedure.name} {_fields(*procedure.arguments)}"
        reply = f"{label} R {procedure.name} {_fields(procedure.result)}"
    else:
        name = words.names[procedure.number]
        call = f"{words.label} C {name} {_shown(words.calls, procedure)}"
        reply = f"{words.label} R {name} {_shown(words.replies, procedure)}"
    return f"| {procedure.number} | `{call.strip()}` | `{reply.strip()}` |"


def _shown(templates: Mapping[int, object], procedure: AnyProcedure) -> str:
    """The source of a template, without the fields that are not shown."""
    text = str(getattr(templates.get(procedure.number), "text", ""))

    def field(found: re.Match[str]) -> str:
        name = found[1]
        shown = OPTIONAL.get(name) or f"{{{PLAIN.get(name, name)}}}"
        return "" if name.startswith("-") else shown

    return FIELD.sub(field, text)


def _fields(*declared: object) -> str:
    """The fields of a procedure that has no words of its own."""
    found: list[str] = []
    for each in declared:
        node = None if each is None else codec(each).node
        if isinstance(node, StructNode):
            found += [f"{name}={{{name}}}" for name, _ in node.fields]
        elif node is not None:
            found.append("{value}")
    return " ".join(found)


def _compound() -> Iterator[str]:
    """The operations of NFS 4."""
    yield "## NFS 4\n"
    yield "A line has the tag and all operations, each with its words:\n"
    yield "- call: `NFS C 4 ({tag}) {operation} {words} ...`"
    yield "- reply: `NFS R 4 ({tag}) {status} {operation} {status} {words} ...`"
    yield "- callbacks: `NFS C CB4 ({tag}) CBID={number} ...`, and for NULL"
    yield f"  `NFS C {NFS_4_CALLBACK.null}`\n"
    yield "Statuses have their names in the interface file: `NFS4ERR_NOENT`."
    yield "These operations have words after their names; others have none:\n"
    numbers = nfs4.nfs_opnum4
    callbacks = nfs4.nfs_cb_opnum4
    yield f"- in calls: {_operations(numbers, ARGUMENTS)}"
    yield f"- in replies: {_operations(numbers, RESULTS)}"
    yield f"- in calls of callbacks: {_operations(callbacks, CALLBACK_ARGUMENTS)}\n"


def _operations(numbers: type[IntEnum], table: Mapping[int, object]) -> str:
    names = [str(each).removeprefix("OP_") for each in numbers if each in table]
    return ", ".join(f"`{name}`" for name in sorted(names))


def _other_words() -> Iterator[str]:
    """Names of programs and flavors."""
    yield "## Names\n"
    yield "Programs: " + ", ".join(f"{number} {name}" for number, name in PROGRAM_NAMES.items())
    yield "(others by rpc(5), `transient`, or `?`).\n"
    yield "Flavors of credentials: " + ", ".join(
        f"{number} {name}" for number, name in FLAVORS.items()
    )
    yield ".\n"


def _statuses() -> Iterator[str]:
    """A list for each table of statuses."""
    for title, table in STATUSES.items():
        yield f"\n### {title}\n"
        yield "| Number | Words |"
        yield "|---|---|"
        yield from (f"| {number} | {text} |" for number, text in sorted(table.items()))
