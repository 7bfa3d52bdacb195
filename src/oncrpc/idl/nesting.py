"""Types within one another: what contains itself has no end, and depth is bounded."""

from __future__ import annotations

from collections.abc import Iterator

from oncrpc.idl import tree
from oncrpc.idl.scope import Scope
from oncrpc.idl.walk import postorder

DEEPEST = 64
"""How many types may be within one another. Codecs and values are nested as deeply."""


def check_nesting(scope: Scope) -> None:
    """Refuse types without an end, and types nested too deeply.

    A structure may contain itself behind a pointer or in an array of variable length. A typedef may
    not contain itself at all: only structures and unions can be named before they are declared.

    Raises:
        IdlError: there is such a type.
    """

    def parts(definition: tree.Definition) -> Iterator[tree.Definition]:
        for declared in _parts(definition):
            found = _definition(scope, declared)
            if found is not None and _is_part(definition, declared, found):
                yield found

    def circle(path: list[tree.Definition]) -> None:
        names = " -> ".join(definition.name for definition in path)
        raise path[0].place.error(f"'{path[0].name}' contains itself: {names}")

    depths: dict[str, int] = {}
    for definition in postorder(scope.all, parts, circle=circle):
        inner = max((depths[part.name] for part in parts(definition)), default=0)
        depths[definition.name] = inner + _levels(definition)
        if depths[definition.name] > DEEPEST:
            raise definition.place.error(f"over {DEEPEST} types are nested in one another")


def _definition(scope: Scope, declared: tree.Declaration) -> tree.Definition | None:
    if not isinstance(declared.type, tree.Named):
        return None
    return scope.definitions.get(declared.type.name)


def _is_part(
    definition: tree.Definition, declared: tree.Declaration, found: tree.Definition
) -> bool:
    if isinstance(definition, tree.Typedef) and isinstance(found, tree.Typedef):
        return True
    if declared.form not in ("plain", "fixed") or not isinstance(
        found, (tree.StructDefinition, tree.Typedef)
    ):
        return False
    return not (isinstance(found, tree.StructDefinition) and found.pointer)


def _parts(definition: tree.Definition | tree.StructDefinition) -> Iterator[tree.Declaration]:
    """The declarations of a type, with those of structures declared in line."""
    declarations: tuple[tree.Declaration, ...] = ()
    if isinstance(definition, tree.Typedef):
        declarations = (definition.declaration,)
    elif isinstance(definition, tree.StructDefinition):
        declarations = definition.fields
    for declared in declarations:
        yield declared
        if isinstance(declared.type, tree.StructDefinition) and declared.form in ("plain", "fixed"):
            yield from _parts(declared.type)


def _levels(definition: tree.Definition) -> int:
    """Another name for a type is not a level of its own."""
    renames = isinstance(definition, tree.Typedef) and definition.declaration.form == "plain"
    return 0 if renames else 1
