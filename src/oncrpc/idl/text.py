"""Types as Python text: as they are declared, and the type that their values have."""

from __future__ import annotations

from collections.abc import Mapping

from oncrpc.idl import model
from oncrpc.idl.layout import Group, Part

VALUES = {
    "Int": "int", "UInt": "int", "Hyper": "int", "UHyper": "int",
    "Float": "float", "Double": "float", "Bool": "bool",
}  # fmt: skip


def declaration_text(kind: model.Type | None) -> Part:
    """The declaration, as in ``oncrpc.xdr``."""
    match kind:
        case None:
            return "None"
        case model.ScalarType(name) | model.Reference(name):
            return name
        case model.BytesType(marker, None):
            return marker.capitalize()
        case model.BytesType(marker, size):
            return _annotated("bytes", _marker(marker, size))
        case model.ItemsType(marker, element, size):
            return _annotated(f"list[{declaration_text(element)}]", _marker(marker, size))
        case model.LinkedType(element):
            return _annotated(f"list[{declaration_text(element)}]", "xdr.linked")
        case model.RestType(element):
            return _annotated(f"list[{declaration_text(element)}] | None", "xdr.rest")
        case model.Optional(element):
            return f"{declaration_text(element)} | None"


def late_declaration_text(kind: model.Type | None) -> Part:
    """The declaration with the names of types that follow as texts."""
    match kind:
        case model.ItemsType(marker, element, size):
            return _annotated(f"list[{late_declaration_text(element)}]", _marker(marker, size))
        case model.LinkedType(element):
            return _annotated(f"list[{late_declaration_text(element)}]", "xdr.linked")
    return f'"{declaration_text(kind)}"'


class ValueTypes:
    """The Python types of values; aliases are followed, each of them once."""

    def __init__(self, types: Mapping[str, model.Declared]) -> None:
        self.types = types
        self._known: dict[str, str] = {}

    def of(self, kind: model.Type | None) -> str:
        """The type as Python text."""
        match kind:
            case None:
                return "None"
            case model.ScalarType(name):
                return VALUES[name]
            case model.BytesType():
                return "bytes"
            case model.ItemsType(element=element) | model.LinkedType(element):
                return f"list[{self.of(element)}]"
            case model.RestType(element):
                return f"list[{self.of(element)}] | None"
            case model.Optional(element):
                return f"{self.of(element)} | None"
            case model.Reference(name):
                return self._named(name)

    def _named(self, name: str) -> str:
        passed: list[str] = []
        while name not in self._known:
            made = self.types.get(name)
            passed.append(name)
            if not isinstance(made, model.Alias):
                self._known[name] = name
            elif isinstance(made.type, model.Reference):
                name = made.type.name
            else:
                self._known[name] = self.of(made.type)
        self._known.update(dict.fromkeys(passed, self._known[name]))
        return self._known[name]


def _annotated(base: str, marker: str) -> Group:
    return Group("Annotated[", [base, marker], "]")


def _marker(name: str, size: model.Size | None) -> str:
    return f"xdr.{name}({size.text if size else ''})"
