"""Interface files as modules: ``import hello`` finds ``hello.x``."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.errors import IdlError
from oncrpc.importer import InterfaceFinder, InterfaceLoader, install

HELLO = "/* A word. */\nstruct greeting { string word<>; };\n"


@pytest.fixture(autouse=True)
def _modules() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of ``sys.path``."""
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return tmp_path


def test_an_interface_is_imported(folder: Path) -> None:
    (folder / "hello_x.x").write_text(HELLO)

    module = importlib.import_module("hello_x")

    assert module.greeting(b"hi").word == b"hi"
    assert module.__file__ == str(folder / "hello_x.x")


def test_the_generated_text_can_be_read(folder: Path) -> None:
    (folder / "hello_y.x").write_text(HELLO)

    module = importlib.import_module("hello_y")

    assert isinstance(module.__loader__, InterfaceLoader)
    assert "class greeting:" in module.__loader__.get_source("hello_y")
    assert inspect.getdoc(module.greeting) == "A word."


def test_an_interface_within_a_package_is_imported(folder: Path) -> None:
    (folder / "pack_x").mkdir()
    (folder / "pack_x" / "__init__.py").touch()
    (folder / "pack_x" / "hello.x").write_text(HELLO)

    assert importlib.import_module("pack_x.hello").greeting


def test_a_python_module_comes_first(folder: Path) -> None:
    (folder / "hello_z.x").write_text(HELLO)
    (folder / "hello_z.py").write_text("greeting = 1\n")

    assert importlib.import_module("hello_z").greeting == 1


def test_a_name_without_a_file_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("nobody_has_this")


def test_a_broken_interface_is_an_import_error(folder: Path) -> None:
    (folder / "bad_x.x").write_text("strct\n")

    with pytest.raises(ImportError) as caught:
        importlib.import_module("bad_x")

    assert isinstance(caught.value.__cause__, IdlError)
    assert str(caught.value).startswith(f"{folder}/bad_x.x:1:1: expected a definition")


def test_it_is_installed_once() -> None:
    install()
    install()

    assert sum(isinstance(finder, InterfaceFinder) for finder in sys.meta_path) == 1
