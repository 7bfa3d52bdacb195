"""Attributes of NFS 4 by their names: ``fattr4`` has a bit for each, and opaque values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oncrpc.programs import nfs4
from oncrpc.snoop.words.fields import Traversal, WireField

PREFIX = "FATTR4_"
NAMES = {
    number: name.removeprefix(PREFIX).lower()
    for name, number in vars(nfs4).items()
    if name.startswith(PREFIX)
}
"""Attributes by their bits (RFC 7531 §2)."""

MAX_BITS = 32 * 8
"""Bits that are read; no attribute has a higher one yet."""


def attributes(mask: Sequence[int]) -> list[int]:
    """The bits that are set, in their order."""
    words = mask[: MAX_BITS // 32]
    return [
        32 * index + bit for index, word in enumerate(words) for bit in range(32) if word >> bit & 1
    ]


def attribute_name(number: int) -> str:
    """The name of an attribute."""
    return NAMES.get(number, f"attribute {number}")


def declared_attribute(number: int) -> Any:
    """The declaration of an attribute's value, None if it is not known."""
    return getattr(nfs4, f"fattr4_{NAMES.get(number, '')}", None)


def with_attributes(part: WireField, data: bytes) -> None:
    """Put the values of attributes in place of opaque bytes, here and in all parts.

    What follows an unknown attribute stays as it is: only the types say where values end.
    """
    waiting = [part]
    while waiting:
        each = waiting.pop()
        waiting += each.parts
        names = [inner.name for inner in each.parts]
        if names == ["attrmask", "attr_vals"]:
            _name_values(each.parts[0], each.parts[1], data)


def _name_values(mask: WireField, values: WireField, data: bytes) -> None:
    if not isinstance(values.value, bytes):
        return
    bits = [part.value for part in mask.parts if isinstance(part.value, int)]
    traversal = Traversal(data[: values.at + 4 + len(values.value)], values.at + 4)
    found: list[WireField] = []
    for number in attributes(bits):
        declared = declared_attribute(number)
        if declared is None:
            break
        found.append(traversal.read(declared, attribute_name(number)))
        if traversal.problem:
            return
    if traversal.at == len(traversal.data):
        values.value, values.parts, values.compound = None, found, True
