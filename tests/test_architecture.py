"""Layers, folders, names and sizes, read from the source of every module."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import oncrpc

ROOT = Path(oncrpc.__file__).parent
LAYERS = {
    "errors": 0, "version": 0, "checks": 0, "caching": 0, "bounded_process": 0,
    "xdr": 1, "idl": 1, "addr": 1, "numbers": 1,
    "rpc": 2, "importer": 2,
    "programs": 3,
    "net": 4, "host": 4,
    "client": 5, "rpcbind_broadcast": 5,
    "aio": 6, "sync": 6,
    "rpcbind": 7, "testing": 7, "access": 7,
    "daemon": 8,
    "portmap": 9, "nfs": 9, "snoop": 9,
    "cli": 10,
    "__main__": 11,
}  # fmt: skip
PURE = {"xdr", "idl", "rpc"}
IMPURE = {"socket", "time", "random", "asyncio", "os", "secrets", "threading"}
ONE_LOCK = "oncrpc.idl.threads"
"""The module with the only lock there: for ``ast.parse``, which is not for two threads."""

FACE = "oncrpc"
FACE_READERS = {"cli"}
"""Folders that may import from ``oncrpc`` itself; all others would form a cycle."""

MAX_MODULE, MAX_FUNCTION = 500, 50
EXECUTES = "oncrpc.xdr.compile"


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


COMPILED = {"outcome", "pyfuse3", "trio"}
"""Packages of the extra ``pyfuse3``. Not every developer has them."""

MODULES = {module_of(path): path for path in sorted(ROOT.rglob("*.py"))}


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


def imports_of(module: str) -> Iterator[str]:
    """All imported modules, also inside functions; relative imports are refused."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            base = node.module or ""
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if name in MODULES else base


def folder_of(module: str) -> str:
    return module.split(".")[1] if "." in module else FACE


def forbidden(module: str, imported: str) -> bool:
    """True if the import goes up or sideways."""
    if imported.split(".")[0] != FACE or module == FACE:
        return False
    here, there = folder_of(module), folder_of(imported)
    if there == FACE:
        return here not in FACE_READERS
    return here != there and LAYERS[there] >= LAYERS[here]


@pytest.mark.parametrize(
    ("module", "imported", "expected"),
    [
        ("oncrpc.rpc.calls", "oncrpc.xdr", False),
        ("oncrpc.rpc.calls", "oncrpc.rpc.prot", False),
        ("oncrpc.rpc.calls", "json", False),
        ("oncrpc.xdr.codec", "oncrpc.rpc", True),
        ("oncrpc.xdr.codec", "oncrpc.idl", True),
        ("oncrpc.sync", "oncrpc.aio.client", True),
        ("oncrpc.rpc.calls", "oncrpc", True),
        ("oncrpc.cli.portmap", "oncrpc", False),
        ("oncrpc", "oncrpc.cli.portmap", False),
    ],
)
def test_import_rule_distinguishes_up_and_down(module: str, imported: str, expected: bool) -> None:
    assert forbidden(module, imported) is expected


def test_architecture_page_has_these_layers() -> None:
    page = (ROOT.parents[1] / "docs" / "explanation" / "architecture.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (.*?) \|", page, re.MULTILINE)

    found = {name: int(layer) for layer, names in rows for name in names[1:-1].split("`, `")}
    assert found == LAYERS


def test_every_module_has_a_layer() -> None:
    assert {folder_of(module) for module in MODULES} <= {*LAYERS, FACE}


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_only_from_below_or_siblings(module: str) -> None:
    assert [name for name in imports_of(module) if forbidden(module, name)] == []


def room_of(module: str) -> str:
    """The folder of a module; a module at the top of the package is a folder of its own."""
    parent = MODULES[module].parent
    return module if parent == ROOT else ".".join(parent.relative_to(ROOT.parent).parts)


def test_folders_form_no_cycle() -> None:
    imports: dict[str, set[str]] = {}
    for module in MODULES:
        if module == FACE or MODULES[module].name == "__init__.py":
            continue  # a face names what its folder offers
        there = {room_of(name) for name in imports_of(module) if name in MODULES and name != FACE}
        imports.setdefault(room_of(module), set()).update(there - {room_of(module)})

    assert list(TopologicalSorter(imports).static_order())  # raises CycleError


@pytest.mark.parametrize("module", [m for m in MODULES if folder_of(m) in PURE])
def test_protocol_imports_no_socket_and_no_clock(module: str) -> None:
    found = {name.split(".")[0] for name in imports_of(module)} & IMPURE
    assert found == ({"threading"} if module == ONE_LOCK else set())


@pytest.mark.parametrize("module", MODULES)
def test_only_one_module_executes_generated_code(module: str) -> None:
    called = {
        node.func.id
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }

    assert bool(called & {"exec", "eval"}) is (module == EXECUTES)


def test_package_root_only_reexports() -> None:
    defined = {
        node.name
        for node in tree_of(FACE).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }

    assert defined <= {"__getattr__", "__dir__"}


@pytest.mark.parametrize("module", [m for m in MODULES if folder_of(m) != "programs"])
def test_module_is_at_most_500_lines(module: str) -> None:
    assert len(MODULES[module].read_text().splitlines()) <= MAX_MODULE


@pytest.mark.parametrize("module", MODULES)
def test_function_is_shorter_than_50_lines(module: str) -> None:
    functions = [
        node
        for node in ast.walk(tree_of(module))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]

    assert [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= MAX_FUNCTION] == []


@pytest.mark.parametrize("module", MODULES)
def test_module_docstring_has_a_first_sentence(module: str) -> None:
    tree = tree_of(module)
    first, _, _ = (ast.get_docstring(tree) or "").partition("\n")

    assert not tree.body or first.endswith((".", ":"))


@pytest.mark.parametrize("module", [m for m in MODULES if not m.endswith("__main__")])
def test_every_public_name_exists(module: str) -> None:
    try:
        found = importlib.import_module(module)
        names = getattr(found, "__all__", ())
        assert [name for name in names if not hasattr(found, name)] == []
    except ModuleNotFoundError as error:
        if error.name not in COMPILED:
            raise
        pytest.skip(f"not installed: {error.name}")
