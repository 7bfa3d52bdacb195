"""``oncrpc.nfs.backends.fuse.path_context``, with the functions of mfusepy."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable

import pytest

from oncrpc.nfs.backends.fuse.path_context import (
    MODULES,
    PathContext,
    calling_for,
    replace_context_functions,
)
from oncrpc.nfs.filesystem import Identity

FROM_FUSE = PathContext(1, 2, 3)


class FakeLibrary:
    """libfuse, as ``ctypes`` loads it."""

    def __init__(self) -> None:
        self.fuse_get_context: Callable[[], PathContext] = lambda: FROM_FUSE


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeLibrary:
    """The library of the only imported module of this kind."""
    module = types.ModuleType("mfusepy")
    library = module.__dict__["_libfuse"] = FakeLibrary()
    for name in MODULES:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "mfusepy", module)
    replace_context_functions()
    return library


def test_context_has_the_user_of_the_call(library: FakeLibrary) -> None:
    with calling_for(Identity(10, 20)):
        assert library.fuse_get_context().contents == PathContext(10, 20, 0)


def test_call_of_a_mount_has_its_own_context(library: FakeLibrary) -> None:
    with calling_for(Identity(10, 20)):
        pass

    assert library.fuse_get_context() is FROM_FUSE


def test_function_is_replaced_once(library: FakeLibrary) -> None:
    before = library.fuse_get_context

    replace_context_functions()

    assert library.fuse_get_context is before
