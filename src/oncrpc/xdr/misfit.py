"""Find the field of a value that cannot be encoded (RFC 4506), after encoding has failed.

The compiled encoder packs a run of fields at once, so its failure does not name the field. Here the
declaration is walked beside the value, field by field, to the one that does not fit.
"""

from __future__ import annotations

import struct
from typing import Any

from oncrpc.errors import XdrError
from oncrpc.xdr.nodes import (
    BytesNode,
    CallNode,
    EnumNode,
    ItemsNode,
    LinkedNode,
    Node,
    OptionalNode,
    ScalarNode,
    StructNode,
    UnionNode,
    node_of,
)

Place = tuple[Node, Any, str]


def misfit(node: Node, value: Any, path: str) -> XdrError | None:
    """The error of the first field, in the order of the bytes, that cannot be encoded."""
    places: list[Place] = [(node, value, path)]
    while places:
        node, value, path = places.pop()
        reason = _reason(node, value)
        if reason is not None:
            return XdrError(path, None, reason)
        places += reversed(_parts(node, value, path))
    return None


def _reason(node: Node, value: Any) -> str | None:
    """Why the value itself, leaving its parts aside, is not of the type."""
    match node:
        case ScalarNode(scalar=scalar) if scalar.name != "bool":
            return _unpackable(scalar.format, scalar.name, value)
        case EnumNode(cls=cls):
            return _unpackable("i", cls.__name__, value)
        case BytesNode() if not isinstance(value, (bytes, bytearray, memoryview)):
            return _other(value, "bytes")
        case LinkedNode(rest=True) if value is None:
            return None
        case ItemsNode() | LinkedNode() if not hasattr(value, "__len__"):
            return _other(value, "list")
        case StructNode(rest=rest) if rest and getattr(value, rest, None) is not None:
            return f"{rest} is not None, but the list has the elements that follow"
        case StructNode(cls=cls, fields=fields) if not all(hasattr(value, n) for n, _ in fields):
            return _other(value, cls.__name__)
        case UnionNode(cls=cls) if not (
            hasattr(value, node.switch[0]) and hasattr(value, node.body)
        ):
            return _other(value, cls.__name__)
    return None


def _unpackable(letter: str, name: str, value: Any) -> str | None:
    try:
        struct.pack(">" + letter, value)
    except (struct.error, OverflowError):
        number = isinstance(value, int) or (isinstance(value, float) and letter in "fd")
        return f"{value} is out of range" if number else _other(value, name)
    return None


def _other(value: Any, name: str) -> str:
    return f"expected {name}, got {type(value).__name__}"


def _parts(node: Node, value: Any, path: str) -> list[Place]:
    match node:
        case StructNode(fields=fields):
            return [(part, getattr(value, name), f"{path}.{name}") for name, part in fields]
        case UnionNode(switch=(name, switch), body=body, cases=cases, default=default):
            tag = getattr(value, name)
            arm = next((arm for number, arm in cases.items() if number == tag), default)
            parts: list[Place] = [(switch, tag, f"{path}.{name}")]
            return parts + ([(arm, getattr(value, body), f"{path}.{body}")] if arm else [])
        case ItemsNode(element=element) | LinkedNode(element=element) if value is not None:
            return [(element, item, f"{path}[{index}]") for index, item in enumerate(value)]
        case OptionalNode(element=element) if value is not None:
            return [(element, value, path)]
        case CallNode(declared=declared):
            return [(node_of(declared), value, path)]
    return []
