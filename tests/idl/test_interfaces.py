"""Interfaces that others have written: of Debian's packages, and of the RFCs as printed."""

from __future__ import annotations

import enum
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc import xdr
from oncrpc.idl import compile_file
from oncrpc.testing import values_of
from support.compiled import module_of

DEBIAN = [
    *(f"/usr/include/rpcsvc/{name}.x" for name in (
        "bootparam_prot", "key_prot", "klm_prot", "mount", "nfs_prot", "nis", "nis_callback",
        "nis_object", "nlm_prot", "rex", "rquota", "rstat", "rusers", "sm_inter", "spray", "yp",
        "yppasswd",
    )),
    "/usr/include/tirpc/rpc/rpcb_prot.x",
    "/usr/include/tirpc/rpcsvc/crypt.x",
]  # fmt: skip
RFCS = sorted(Path(__file__).with_name("rfc").glob("*.x"))
BIN = Path(sys.executable).parent


def present(path: str) -> str:
    """The path; without the file the test is skipped, or fails if peers are required."""
    if not Path(path).exists():
        if os.environ.get("ONCRPC_REQUIRE_PEERS"):
            pytest.fail(f"not installed: {path}")
        pytest.skip(f"not installed: {path}")
    return path


def types_of(module: ModuleType) -> Iterator[Any]:
    """The classes of a module that are wire types."""
    for item in vars(module).values():
        if isinstance(item, type) and item.__module__ == module.__name__ and is_wire(item):
            yield item


def is_wire(item: type) -> bool:
    return hasattr(item, "__xdr_fields__") or issubclass(item, enum.IntEnum)


def read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every interface that is here, compiled."""
    folder = tmp_path_factory.mktemp("outputs")
    for path in [*(path for path in DEBIAN if os.path.exists(path)), *map(str, RFCS)]:
        text = compile_file(path)
        (folder / f"{Path(path).stem}_{len(path)}.py").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("path", DEBIAN)
def test_an_interface_of_debian_compiles(path: str) -> None:
    assert compile_file(present(path)).startswith(('"""', 'r"""'))


@pytest.mark.slow
@pytest.mark.parametrize("path", RFCS, ids=lambda path: path.stem)
def test_an_interface_of_an_rfc_compiles(path: Path) -> None:
    module = module_of(read(str(path)))

    assert all(xdr.codec(declared).source for declared in types_of(module))


@pytest.mark.slow
def test_the_outputs_pass_mypy(outputs: Path, tmp_path: Path) -> None:
    command = [f"{BIN}/mypy", "--strict", f"--cache-dir={tmp_path}", "--config-file="]
    source = Path(__file__).parents[2] / "src"
    environment = os.environ | {"MYPYPATH": str(source)}

    done = subprocess.run(
        [*command, str(outputs)], capture_output=True, text=True, env=environment, check=False
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_outputs_are_formatted(outputs: Path) -> None:
    command = [f"{BIN}/ruff", "format", "--check", "--isolated", "--line-length", "100"]

    done = subprocess.run([*command, str(outputs)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_outputs_pass_the_linter(outputs: Path) -> None:
    command = [f"{BIN}/ruff", "check", "--isolated", "--line-length", "100", "--select", "E,F,W,I"]

    done = subprocess.run([*command, str(outputs)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("path", [*map(str, RFCS), *DEBIAN], ids=lambda path: Path(path).stem)
def test_the_values_of_its_types_come_back(path: str) -> None:
    module = module_of(read(present(path)), path)
    types = list(types_of(module))

    @given(st.data())
    def check(data: st.DataObject) -> None:
        declared = data.draw(st.sampled_from(types))
        value = data.draw(values_of(declared))
        assert xdr.decode(declared, xdr.encode(declared, value)) == value

    if types:
        check()
