"""Finding and making the objects that are served."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

FAULTS = (
    ImportError, OSError, SyntaxError, AttributeError, LookupError, NameError, RuntimeError,
    TypeError, ValueError,
)  # fmt: skip
"""Errors of a module that is imported; mfusepy raises OSError if the library libfuse is missing."""


class OperationsError(ValueError):
    """The object of a FUSE file system cannot be loaded; the message says why."""


def made_object(operations: Any) -> Any:
    """The object itself, or the one that a class or a function makes."""
    if inspect.isclass(operations) or inspect.isroutine(operations):
        return operations()
    return operations() if isinstance(operations, functools.partial) else operations


def find_operations(name: str, arguments: Mapping[str, Any] | None = None) -> Callable[[], Any]:
    """The class or function that ``module:name`` or ``file.py:name`` names, with its arguments.

    Raises:
        OperationsError: there is no such module, or it has no such name.
    """
    module_name, colon, attribute = name.rpartition(":")
    if not colon or not module_name or not attribute:
        raise OperationsError(f"invalid operations {name!r}: must be module:class")
    module = _module(module_name)
    made = getattr(module, attribute, None)
    if not callable(made):
        raise OperationsError(f"{module_name} has no class or function {attribute!r}")
    return functools.partial(made, **(arguments or {}))


def _module(name: str) -> Any:
    path = Path(name)
    if path.suffix == ".py":
        if not path.is_file():
            raise OperationsError(f"no such file: {name}")
        return _from_file(path)
    try:
        return importlib.import_module(name)
    except FAULTS as error:
        raise OperationsError(f"cannot import {name}: {error}") from error


def _from_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None, "a Python file"
    assert spec.loader is not None, "a Python file"
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    try:
        spec.loader.exec_module(module)
    except FAULTS as error:
        raise OperationsError(f"cannot import {path}: {error}") from error
    return module
