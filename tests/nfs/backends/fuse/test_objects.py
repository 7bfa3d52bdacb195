"""``oncrpc.nfs.backends.fuse.objects``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.fuse.objects import OperationsError, find_operations, made_object
from support.memory_operations import MemoryOperations

SOURCE = """
class Shown:
    def __init__(self, text="none"):
        self.text = text
NUMBER = 7
"""


class Called:
    """An object of fusepy may be callable."""

    def __call__(self) -> str:
        return "called"


@pytest.mark.parametrize(
    "given", [MemoryOperations, lambda: MemoryOperations(), functools.partial(MemoryOperations)]
)
def test_class_or_function_makes_the_object(given: Callable[[], MemoryOperations]) -> None:
    assert isinstance(made_object(given), MemoryOperations)


def test_object_is_not_called() -> None:
    given = Called()

    assert made_object(given) is given


def test_module_and_name_are_found() -> None:
    found = find_operations("support.memory_operations:MemoryOperations")

    assert isinstance(found(), MemoryOperations)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Python file with a class."""
    path = tmp_path / "shown_by_a_test.py"
    path.write_text(SOURCE)
    with monkeypatch.context() as patch:
        patch.delitem(__import__("sys").modules, path.stem, raising=False)
        yield path
        patch.delitem(__import__("sys").modules, path.stem, raising=False)


def test_file_and_arguments_are_used(file: Path) -> None:
    assert find_operations(f"{file}:Shown", {"text": "hello"})().text == "hello"
    assert find_operations(f"{file}:Shown")().text == "none"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MemoryOperations", "must be module:class"),
        (":MemoryOperations", "must be module:class"),
        ("no_such_module_here:A", "cannot import no_such_module_here"),
        ("support.memory_operations:Missing", "no class or function 'Missing'"),
        ("support.memory_operations:OWNER", "no class or function 'OWNER'"),
        ("missing/file.py:A", "no such file: missing/file.py"),
    ],
)
def test_error_says_what_is_wrong(name: str, message: str) -> None:
    with pytest.raises(OperationsError, match=message):
        find_operations(name)


def test_file_that_cannot_be_imported_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "importing_nothing.py"
    path.write_text("import no_such_module_here")

    with pytest.raises(OperationsError, match="cannot import"):
        find_operations(f"{path}:A")
