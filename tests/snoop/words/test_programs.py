"""The programs that can be read."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from oncrpc import programs as package
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.rpc.program import AnyProcedure
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.programs import WORDS, KnownPrograms, versions_of, words_of
from oncrpc.snoop.words.templates import Wording
from support.wire_messages import seen_bytes
from support.words import words

GREETER = """
program GREETER {
    version GREETER_V1 {
        string GREET(string name) = 1;
    } = 1;
} = 0x20000099;
"""


def every_version() -> list[tuple[int, int]]:
    """All versions that the package declares."""
    names = [each.name for each in iter_modules(package.__path__)]
    modules = [import_module(f"oncrpc.programs.{name}") for name in names]
    return [(each.prog, each.vers) for module in modules for each in versions_of(module)]


@pytest.mark.parametrize("key", sorted(every_version()))
def test_every_declared_version_is_found(key: tuple[int, int]) -> None:
    found = KnownPrograms().version(*key)

    assert found is not None
    assert (found.prog, found.vers) == key


def test_words_are_for_declared_versions() -> None:
    assert set(WORDS) <= set(every_version())
    assert all(words_of(key).call for key in WORDS)


def every_procedure() -> list[AnyProcedure]:
    """All procedures that the package declares."""
    return [
        procedure
        for key in sorted(every_version())
        if (version := KnownPrograms().version(*key)) is not None
        for procedure in version.procedures.values()
    ]


@pytest.mark.parametrize("procedure", every_procedure(), ids=lambda each: each.name)
def test_every_procedure_has_words(procedure: AnyProcedure) -> None:
    version = procedure.version
    words = KnownPrograms().words(version.prog, version.vers)

    if not isinstance(words, Wording):  # it has all fields, or all operations
        line = line_of(seen_bytes(procedure, b""), KnownPrograms())
        assert not line.startswith("RPC C")
        return
    assert procedure.number < len(words.names)
    assert not procedure.arguments or procedure.number in words.calls
    assert procedure.result is None or procedure.number in words.replies


def greeting(vers: int = 1) -> RpcMessage:
    """A call of procedure 1 with a string."""
    call = seen_bytes(NFS_V3.NFSPROC3_GETATTR, words(5, b"world\0\0\0"))
    return call._replace(prog=0x20000099, vers=vers, proc=1)


def test_interface_file_adds_a_program(tmp_path: Path) -> None:
    path = tmp_path / "greeter.x"
    path.write_text(GREETER)
    programs = KnownPrograms()

    assert line_of(greeting(), programs).startswith("RPC C")
    programs.add_interface(str(path))
    assert line_of(greeting(), programs) == "GREETER_V1 C GREET world"
    assert line_of(greeting(vers=2), programs).startswith("RPC C")


def test_interface_file_replaces_our_words(tmp_path: Path) -> None:
    path = tmp_path / "mine.x"
    path.write_text("program P { version V { string ASK(string) = 1; } = 3; } = 100003;")
    programs = KnownPrograms()
    programs.add_interface(str(path))

    call = seen_bytes(NFS_V3.NFSPROC3_GETATTR, words(5, b"world\0\0\0"))

    assert line_of(call, programs) == "NFS C ASK world"


def test_wrong_interface_file_says_why(tmp_path: Path) -> None:
    path = tmp_path / "wrong.x"
    path.write_text("struct {")

    with pytest.raises(ImportError, match=r"wrong\.x:1:"):
        KnownPrograms().add_interface(str(path))


def test_missing_interface_file_says_why(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match="missing"):
        KnownPrograms().add_interface(str(tmp_path / "missing.x"))
