"""Write oncrpc/snoop/words/declared.py: procedures and statuses, from the declarations.

With ``--check`` nothing is written: the command fails, with one line, if the module is not what
the declarations give now.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from textwrap import wrap

from oncrpc.rpc import Version
from oncrpc.snoop.words.declarations import described
from oncrpc.snoop.words.programs import DECLARED, versions_of

MODULE = Path(__file__).resolve().parents[1] / "src/oncrpc/snoop/words/declared.py"
HEAD = '''"""Procedures and statuses of the programs of this package, in a form that loads fast.

To load the declarations takes as long as to read 5,000 messages. Made by docs/make_declared.py; do
not edit.
"""

from __future__ import annotations

Entry = tuple[str, tuple[int | None, ...], str | None]
"""A name; what is before the status of results; its type, None if there is no status.

Before it are numbers of bytes, and None for an opaque value. A type of "" is a number of Unix.
"""

'''
WIDTH = 98


def main(arguments: list[str]) -> int:
    """Write or check; the exit status."""
    made = text()
    if "--check" not in arguments:
        MODULE.write_text(made)
    elif MODULE.read_text() != made:
        print(f"{MODULE.name} is stale: run make generate", file=sys.stderr)
        return 1
    return 0


def text() -> str:
    """The text of the module."""
    procedures, statuses, are_open = dict[str, list[str]](), dict[str, list[str]](), set[str]()
    for version in sorted(declared(), key=lambda version: (version.prog, version.vers)):
        entries = procedures[f"({version.prog}, {version.vers})"] = []
        for number, procedure in sorted(version.procedures.items()):
            name, plan = described(procedure)
            values = (name, plan.before, plan.type_name) if plan else (name, (), None)
            entries.append(f"{number}: {quoted(values)}")
            if plan and plan.type_name:
                statuses[quoted(plan.type_name)] = [
                    f"{key}: {quoted(value)}" for key, value in plan.names.items()
                ]
                are_open |= {plan.type_name} if plan.is_open else set()
    return (
        f"{HEAD}OPEN = {{{', '.join(quoted(each) for each in sorted(are_open))}}}\n"
        '"""Types that may have other numbers."""\n\n'
        + table("STATUSES: dict[str, dict[int, str]]", dict(sorted(statuses.items())))
        + '"""The names of the numbers of each type."""\n\n'
        + table("PROCEDURES: dict[tuple[int, int], dict[int, Entry]]", procedures)
        + '"""The procedures of each program and version."""\n'
    )


def declared() -> Iterator[type[Version]]:
    """Each version of the programs of this package; the first declaration of it."""
    seen = set[tuple[int, int]]()
    for names in DECLARED.values():
        for name in names:
            for version in versions_of(import_module(f"oncrpc.programs.{name}")):
                if (version.prog, version.vers) not in seen:
                    seen.add((version.prog, version.vers))
                    yield version


def quoted(value: object) -> str:
    """A value as it is written in the source."""
    return repr(value).replace("'", '"')


def table(name: str, parts: dict[str, list[str]]) -> str:
    """A table of tables, with lines as long as they may be."""
    lines = [f"{name} = {{"]
    for key, entries in parts.items():
        lines.append(f"    {key}: {{")
        lines += wrap(
            ", ".join(each.replace(" ", "\0") for each in entries) + ",", WIDTH,
            initial_indent=" " * 8, subsequent_indent=" " * 8, break_on_hyphens=False,
        )  # fmt: skip
        lines.append("    },")
    return "\n".join(lines).replace("\0", " ") + "\n}  # fmt: skip\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
