"""Compiles interfaces in a test: returns the generated text or the imported module."""

from __future__ import annotations

import sys
from itertools import count
from types import ModuleType

from oncrpc.idl import compile_text

IMPORTS = ("import ", "from ")

_numbers = count()


def module_of(text: str, file: str = "test.x") -> ModuleType:
    """The module of an interface, imported under a name of its own."""
    module = ModuleType(f"compiled_{next(_numbers)}")
    sys.modules[module.__name__] = module
    source = compile_text(text, file)
    exec(compile(source, module.__name__, "exec"), module.__dict__)
    return module


def body_of(text: str) -> str:
    """The generated declarations, without the docstring and the imports."""
    made = compile_text(text, "test.x").partition("annotations\n")[2]
    lines = made.splitlines()
    first = next(i for i, line in enumerate(lines) if line and not line.startswith(IMPORTS))
    return "\n".join(lines[first:])
