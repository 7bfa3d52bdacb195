"""Linked lists: which structures are the elements of one (RFC 4506 §4.19).

A structure is an element if its last field is an optional of itself and no other field is:
``struct x {...; x *next;}``, the same with ``typedef x *xlist`` and ``xlist next``, and RFC 1833's
``struct *xlist {...; xlist next;}``. Nothing else in the file counts. Any other structure that
contains itself stays as it is written.
"""

from __future__ import annotations

from oncrpc.idl import tree
from oncrpc.idl.scope import Scope


class Lists:
    """The elements of a scope; ``names`` has what the file calls each one's list, or ""."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._ends: dict[str, tree.Type | None] = {}
        structs = [item for item in scope.all if isinstance(item, tree.StructDefinition)]
        self.elements = {item.name for item in structs if self._is_chained(item)}
        self.names = dict.fromkeys(self.elements, "")
        for definition in scope.all:
            if isinstance(definition, tree.Typedef) and definition.declaration.form == "pointer":
                target = self.struct_of(definition.declaration.type)
                if self.names.get(target) == "":
                    self.names[target] = definition.name

    def canonical(self, kind: tree.Type | None) -> tree.Type | None:
        """The type behind C's other names for it; a chain of names is followed once."""
        passed = []
        while isinstance(kind, tree.Named):
            if kind.name in self._ends:
                kind = self._ends[kind.name]
                break
            definition = self.scope.definitions.get(kind.name)
            if not isinstance(definition, tree.Typedef) or definition.declaration.form != "plain":
                break
            passed.append(kind.name)
            kind = definition.declaration.type
        self._ends.update(dict.fromkeys(passed, kind))
        return kind

    def target(self, declared: tree.Declaration) -> str:
        """The structure that the declaration is a pointer to, or ""."""
        if declared.form == "pointer":
            return self.struct_of(declared.type)
        kind = self.canonical(declared.type) if declared.form == "plain" else None
        if not isinstance(kind, tree.Named):
            return ""
        definition = self.scope.definitions.get(kind.name)
        if isinstance(definition, tree.Typedef) and definition.declaration.form == "pointer":
            return self.struct_of(definition.declaration.type)
        return (
            kind.name
            if isinstance(definition, tree.StructDefinition) and definition.pointer
            else ""
        )

    def struct_of(self, kind: tree.Type | None) -> str:
        """The name of the structure that the type is, or ""."""
        kind = self.canonical(kind)
        if not isinstance(kind, tree.Named):
            return ""
        definition = self.scope.definitions.get(kind.name)
        return (
            kind.name
            if isinstance(definition, tree.StructDefinition) and not definition.pointer
            else ""
        )

    def _is_chained(self, struct: tree.StructDefinition) -> bool:
        targets = [self.target(field) for field in struct.fields]
        return targets[-1] == struct.name and targets.count(struct.name) == 1
