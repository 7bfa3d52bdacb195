"""Import interface files: after ``import oncrpc.importer``, ``import hello`` finds ``hello.x``.

A module or package of that name comes first. The text of the module, for tracebacks and
``inspect``, is what ``xdrc`` would write.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

from oncrpc.idl import compile_file


class InterfaceLoader(InspectLoader):
    """Loads one ``.x`` file as a module."""

    def __init__(self, path: str) -> None:
        self.path = path

    def get_source(self, fullname: str) -> str:
        """The Python text.

        Raises:
            ImportError: the file cannot be compiled; the cause says why.
        """
        try:
            return compile_file(self.path)
        except (ValueError, OSError) as error:
            raise ImportError(str(error), name=fullname, path=self.path) from error


class InterfaceFinder(MetaPathFinder):
    """Finds ``name.x`` where Python would look for ``name.py``."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002  # of MetaPathFinder
    ) -> ModuleSpec | None:
        """The module's specification, or None."""
        name = fullname.rpartition(".")[2]
        for folder in sys.path if path is None else path:
            file = Path(folder or ".", f"{name}.x")
            if file.is_file():
                spec = spec_from_loader(fullname, InterfaceLoader(str(file)), origin=str(file))
                if spec is not None:
                    spec.has_location = True
                return spec
        return None


def install() -> None:
    """Have ``import`` find interface files; importing this module does it."""
    if not any(isinstance(finder, InterfaceFinder) for finder in sys.meta_path):
        sys.meta_path.append(InterfaceFinder())


install()
