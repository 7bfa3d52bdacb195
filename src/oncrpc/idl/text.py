"""Types as Python text: as they are declared, and the type that their values have."""

from __future__ import annotations

from collections.abc import Mapping

from oncrpc.idl import model
from oncrpc.idl.layout import Group, Part

VALUES = {
    "Int": "int", "UInt": "int", "Hyper": "int", "UHyper": "int",
    "Float": "float", "Double": "float", "Bool": "bool",
}  # fmt: skip


def declared(kind: model.Type | None) -> Part:
    """The declaration, as in ``oncrpc.xdr``."""
    match kind:
        case None:
            return "None"
        case model.Scalar(name) | model.Reference(name):
            return name
        case model.Bytes(marker, None):
            return marker.capitalize()
        case model.Bytes(marker, size):
            return _annotated("bytes", _marker(marker, size))
        case model.Items(marker, element, size):
            return _annotated(f"list[{declared(element)}]", _marker(marker, size))
        case model.Linked(element):
            return _annotated(f"list[{declared(element)}]", "xdr.linked")
        case model.Rest(element):
            return _annotated(f"list[{declared(element)}] | None", "xdr.rest")
        case model.Optional(element):
            return f"{declared(element)} | None"


def declared_late(kind: model.Type | None) -> Part:
    """The declaration with the names of types that follow as texts."""
    match kind:
        case model.Items(marker, element, size):
            return _annotated(f"list[{declared_late(element)}]", _marker(marker, size))
        case model.Linked(element):
            return _annotated(f"list[{declared_late(element)}]", "xdr.linked")
    return f'"{declared(kind)}"'


def value_type(kind: model.Type | None, types: Mapping[str, model.Declared]) -> str:
    """The type of the values, without what only the wire knows; aliases are followed."""
    match kind:
        case None:
            return "None"
        case model.Scalar(name):
            return VALUES[name]
        case model.Bytes():
            return "bytes"
        case model.Items(element=element) | model.Linked(element):
            return f"list[{value_type(element, types)}]"
        case model.Rest(element):
            return f"list[{value_type(element, types)}] | None"
        case model.Optional(element):
            return f"{value_type(element, types)} | None"
        case model.Reference(name):
            made = types.get(name)
            return value_type(made.type, types) if isinstance(made, model.Alias) else name


def _annotated(base: str, marker: str) -> Group:
    return Group("Annotated[", [base, marker], "]")


def _marker(name: str, size: model.Size | None) -> str:
    return f"xdr.{name}({size.text if size else ''})"
