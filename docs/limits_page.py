"""Write docs/reference/limits.md from the constants of the source and their docstrings.

A constant is a limit if its name begins with ``MAX_``, or if its docstring begins with a unit:
"Seconds ...", "Bytes ...", "Characters ...". A limit without a docstring is an error.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
UNITS = {"Seconds": "s", "Bytes": "bytes", "Characters": "characters"}
SIZES = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"))
"""Larger units of bytes, the largest first."""

WITHOUT_LIMITS = {"programs", "testing", "unit_files"}
SECTIONS = {
    "The port mapper": ("portmap",),
    "The NFS server": ("nfs",),
    "RPC on the wire": ("snoop",),
    "Any daemon": ("daemon", "host"),
    "Rules, and hosts.allow and hosts.deny": ("access",),
    "Serving and calling": ("aio", "rpc", "net", "sync", "rpcbind", "rpcbind_broadcast", "addr"),
    "Interface files": ("xdr", "idl"),
    "Commands": ("cli",),
}
"""The headings, and the packages below each, in this order."""

HEAD = """\
# Limits

<!-- Made from the source by docs/make_reference.py; do not edit. -->

Every bound in the code, its value, and the module that defines it.
Numbers of registrations, and the rates of replies over UDP, can be changed in
[portmap.toml](portmap-toml.md).
A program sets the bounds of its own server with `oncrpc.serve(limits=...)`.
The others are fixed.
"""


class Limit(NamedTuple):
    """A row of the table."""

    module: str
    name: str
    value: float
    text: str

    @property
    def shown(self) -> str:
        """The value with its unit."""
        unit = UNITS.get(self.text.split()[0], "")
        whole = f"{self.value:,.0f}" if self.value >= 1000 else f"{self.value:g}"
        if unit != "bytes" or self.value < 1 << 20:
            return f"{whole} {unit}".rstrip()
        size, name = next(each for each in SIZES if self.value >= each[0])
        return f"{self.value / size:g} {name}"


def page() -> str:
    """The text of the page."""
    sections = [HEAD, "\n## A server's listeners\n\n", *table(limits_of_listeners())]
    found = list(limits())
    for title, packages in SECTIONS.items():
        rows = [limit for limit in found if limit.module.split(".")[1] in packages]
        if rows:
            sections += [f"\n## {title}\n\n", *table(rows)]
    return "".join(sections)


def table(rows: list[Limit]) -> Iterator[str]:
    """Rows in Markdown."""
    yield "| bound | value | defined in |\n|---|---|---|\n"
    for row in rows:
        where = row.module.removeprefix("oncrpc.")
        yield f"| {row.text.rstrip('.')} | {row.shown} | `{where}`: `{row.name}` |\n"


def limits_of_listeners() -> list[Limit]:
    """The defaults of ``oncrpc.Limits``."""
    from oncrpc import Limits

    home = Limits.__module__
    tree = ast.parse(inspect.getsource(importlib.import_module(home)))
    body = next(
        node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Limits"
    )
    texts = dict(described(body))
    defaults = Limits()._asdict()
    return [
        Limit(home, f"Limits.{name}", value, texts[name])
        for name, value in defaults.items()
        if value is not None
    ]


def limits() -> Iterator[Limit]:
    """Those that are constants of modules, module by module."""
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if not WITHOUT_LIMITS.intersection(parts):
            module = ".".join(parts).removesuffix(".__init__")
            yield from limits_of(module, path.read_text())


def limits_of(module: str, source: str) -> Iterator[Limit]:
    """The limits that a module defines."""
    for name, text in texts_of(source):
        value = getattr(importlib.import_module(module), name)
        if isinstance(value, int | float):
            yield Limit(module, name, value, text)


def texts_of(source: str) -> Iterator[tuple[str, str]]:
    """The constants of a module that are limits, and what each bounds."""
    body = ast.parse(source).body
    texts = commented(source) | dict(described(body))
    for name in assigned(body):
        text = texts.get(name, "")
        if name.startswith("MAX_") and not text:
            raise SystemExit(f"{name} is a limit and has no docstring")
        if name.startswith("MAX_") or (name.isupper() and text.split(" ")[0] in UNITS):
            yield name, text


def commented(source: str) -> dict[str, str]:
    """The names that have a comment above, as ``xdrc`` writes it, and that."""
    return {name: text for text, name in re.findall(r"^# (.*)\n([A-Z_]+) = ", source, re.MULTILINE)}


def assigned(body: list[ast.stmt]) -> Iterator[str]:
    """The names that are assigned to, one at a time."""
    for statement in body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                yield from (name.id for name in names if isinstance(name, ast.Name))


def described(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """The names that have a docstring below their assignment, and that."""
    for statement, below in itertools.pairwise(body):
        match statement, below:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, first_paragraph(text)


def first_paragraph(text: str) -> str:
    """The first paragraph of a docstring in one line of Markdown."""
    return " ".join(inspect.cleandoc(text).partition("\n\n")[0].split()).replace("``", "`")
