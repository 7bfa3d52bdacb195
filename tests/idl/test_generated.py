"""The project's own interfaces, and the modules that are generated from them."""

from __future__ import annotations

import enum
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from idl.test_interfaces import present, types_of
from oncrpc import xdr
from oncrpc.idl import CompileOptions, compile_file, interface_of
from oncrpc.idl.model import Interface
from oncrpc.programs import (
    bootparam,
    mount,
    nfs3,
    nlm,
    portmap,
    rpcb,
    rstat,
    rusers,
    spray,
    yp,
)
from oncrpc.rpc import Version
from support.compiled import module_of

ROOT = Path(__file__).parents[2]
RFC = Path(__file__).with_name("rfc")
SPEC = sorted((ROOT / "spec").glob("*.x"))
EACH = [
    pytest.param(path, marks=pytest.mark.slow if path.stem == "nfs4" else (), id=path.stem)
    for path in SPEC
]
PRINTED = {
    "rfc1813_nfs": nfs3,
    "rfc1813_mount": mount,
    "rfc1833_pmap": portmap,
    "rfc1833_rpcb": rpcb,
    "rfc1813_nlm": nlm,
}
"""The text of an RFC, and our module of the same interface."""

SETTINGS = CompileOptions(
    imports={name: f"oncrpc.programs.{name}" for name in ("nfs2", "nfs3")},
)
"""As in the Makefile."""

OURS = {"rfc1813_nlm": {"nlm4_stats", "nlm4_holder", "nlm4_lock"}}
"""What is compared where the RFC leaves the rest to another text."""


INSTALLED = {
    "bootparam_prot": bootparam,
    "rstat": rstat,
    "rusers": rusers,
    "spray": spray,
    "yp": yp,
}
"""An interface of Debian's, and our module of the same types."""


def module(path: Path) -> Path:
    """The module that is generated from an interface of ours."""
    if path.stem == "rpc_prot":
        return ROOT / "src/oncrpc/rpc/prot.py"
    return ROOT / f"src/oncrpc/programs/{path.stem}.py"


def interface(path: Path) -> Interface:
    return interface_of(path.read_text(encoding="utf-8"), str(path))


@pytest.mark.parametrize("path", EACH)
def test_generated_modules_are_current(path: Path) -> None:
    assert module(path).read_text(encoding="utf-8") == compile_file(path, settings=SETTINGS)


@pytest.mark.parametrize("path", EACH)
def test_an_interface_says_where_it_comes_from(path: Path) -> None:
    heading = " ".join(interface(path).comment)

    assert "§" in heading or "chapter" in heading or "no RFC describes it" in heading


def test_every_module_of_programs_is_generated() -> None:
    generated = {module(path) for path in SPEC}

    found = {path for path in (ROOT / "src/oncrpc/programs").glob("*.py") if path.stem[0] != "_"}
    assert found == {path for path in generated if path.parent.name == "programs"}


def coded(declared: Any) -> str:
    """How a type is coded: its compiled source, the members of an enumeration."""
    members = {}
    if isinstance(declared, type) and issubclass(declared, enum.IntEnum):
        members = {name: int(member) for name, member in declared.__members__.items()}
    return f"{xdr.codec(declared).source} {members}"


def versions_of(found: ModuleType) -> list[type[Version]]:
    return [
        item for item in vars(found).values()
        if isinstance(item, type) and issubclass(item, Version) and item is not Version
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", PRINTED)
def test_our_types_are_those_of_the_rfc(name: str) -> None:
    printed = module_of((RFC / f"{name}.x").read_text(encoding="utf-8"))
    names = OURS.get(name) or {declared.__name__ for declared in types_of(printed)}

    for each in sorted(names):
        assert coded(getattr(PRINTED[name], each)) == coded(getattr(printed, each))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PRINTED if name not in OURS])
def test_our_procedures_are_those_of_the_rfc(name: str) -> None:
    printed = module_of((RFC / f"{name}.x").read_text(encoding="utf-8"))
    ours = {(version.prog, version.vers): version for version in versions_of(PRINTED[name])}

    for version in versions_of(printed):
        mine = ours[version.prog, version.vers]
        for number, procedure in version.procedures.items():
            own = mine.procedures[number]
            if procedure.name not in vars(version):
                continue  # NULL, which RFC 5531 §12.1 gives to every program
            assert own.name == procedure.name
            assert [coded(a) for a in own.arguments] == [coded(a) for a in procedure.arguments]
            assert coded(own.result) == coded(procedure.result)


@pytest.mark.parametrize("name", INSTALLED)
def test_our_types_are_those_of_debian(name: str) -> None:
    path = Path(present(f"/usr/include/rpcsvc/{name}.x"))
    installed = module_of(path.read_text(encoding="utf-8"))

    for each in types_of(installed):
        assert coded(getattr(INSTALLED[name], each.__name__)) == coded(each)
