"""Choose declarations to import from other generated modules, instead of repeating them.

An interface may use declarations of the ``.x`` files whose headers it includes. Its module repeats
them, unless an option names the module to import them from. Then both modules have the same class.
A declaration that differs in the other module is still repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from oncrpc.idl import model

WORD = re.compile(r"[A-Za-z_]\w*")
Named = model.Constant | model.Declared


class OtherModule(NamedTuple):
    """A Python module, and the interface that it was made from."""

    name: str
    interface: model.Interface


def importable(interface: model.Interface, others: Iterable[OtherModule]) -> dict[str, str]:
    """The names to import, each with its module: the first that declares it alike."""
    own = named_declarations(interface)
    found: dict[str, str] = {}
    for module, other in others:
        theirs = named_declarations(other)
        for name in set(interface.borrowed) - set(other.borrowed):
            if name not in found and _same(name, own, theirs, set()):
                found[name] = module
    return found


def named_declarations(interface: model.Interface) -> dict[str, Named]:
    """The constants and types by name, without the numbers of programs."""
    return {made.name: made for made in (*interface.constants, *interface.types)}


def _same(name: str, own: Mapping[str, Named], theirs: Mapping[str, Named], seen: set[str]) -> bool:
    """Whether both declare the name alike, and all names that its declaration uses."""
    if name in seen:
        return True
    seen.add(name)
    made = own.get(name)
    return made == theirs.get(name) and all(
        _same(used, own, theirs, seen) for used in set(_used(made)) if used in own
    )


def _used(node: Any) -> Iterator[str]:
    """The names in the types and values of a declaration."""
    if isinstance(node, model.Reference):
        yield node.name
    elif isinstance(node, tuple):
        for each in node:
            yield from _used(each)
    elif is_dataclass(node):
        yield from WORD.findall(getattr(node, "text", ""))
        for field in fields(node):
            yield from _used(getattr(node, field.name))
