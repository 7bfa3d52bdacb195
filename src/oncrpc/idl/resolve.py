"""From the written tree to the resolved one: every type and value known (RFC 4506 §6.4).

A type declared within another comes before it, named after the field that has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeGuard

from oncrpc.idl import model, names, tree
from oncrpc.idl.imports import named_declarations
from oncrpc.idl.library import Library
from oncrpc.idl.lists import Lists
from oncrpc.idl.nesting import check_nesting
from oncrpc.idl.scope import Scope
from oncrpc.idl.values import Values
from oncrpc.idl.walk import postorder
from oncrpc.idl.words import C_TYPES

REGISTRY = "xdrc: registry"
"""In the comment of an enumeration: its registry adds numbers, so unknown ones are values."""

LARGEST_NUMBER = 0xFFFFFFFF


def resolve_interface(specification: tree.Specification, library: Library) -> model.Interface:
    """The interface that a tree declares; names that it does not declare are in the ``library``.

    Raises:
        IdlError: a name that is unknown, declared twice or in a circle, or a value out of range.
    """
    return _Resolver(Scope(specification, library)).interface(specification)


class _Resolver:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.values = Values(scope)
        check_nesting(scope)
        self.lists = Lists(scope)
        self.enums: dict[int, model.Enum] = {}
        self.by_shown = {scope.shown[item.name]: item for item in scope.all}
        self.aliases: dict[str, model.Type] = {}
        """The types of the typedefs that are already made."""

        self.ends: dict[str, model.Type] = {}
        """The type at the end of the chain of typedefs that begins with the name."""

        self.members: dict[str, dict[int, list[str]]] = {}
        """The names of each enumeration's numbers."""

        self.empty: dict[int, bool] = {}
        self.made = model.Interface()
        self.shown = scope.shown
        self.taken = set(self.shown.values())
        structs = (item for item in scope.all if isinstance(item, tree.StructDefinition))
        unnamed = {name for name, written in self.lists.names.items() if not written}
        self.pointers = {
            item.name: self._fresh(f"{self.shown[item.name]}_ptr")
            for item in structs
            if item.pointer or item.name in unnamed
        }

        for struct, pointer in self.pointers.items():
            self.ends[pointer] = self._pointed(struct)

    def interface(self, specification: tree.Specification) -> model.Interface:
        self.made.comment = specification.comment
        methods: dict[type, Callable[..., None]] = {
            tree.ConstantDefinition: self._constant, tree.EnumDefinition: self._enum,
            tree.Typedef: self._typedef,
            tree.StructDefinition: self._struct, tree.UnionDefinition: self._union,
            tree.ProgramDefinition: self._program,
        }  # fmt: skip
        for definition in self.scope.borrowed:
            methods[type(definition)](definition, self.shown[definition.name])
        self.made.borrowed = tuple(named_declarations(self.made))
        for definition in self.scope.own:
            methods[type(definition)](definition, self.shown[definition.name])
        return self.made

    def _constant(self, written: tree.ConstantDefinition, name: str) -> None:
        value = self.values.value_of(written.name, written.place)
        text = "" if isinstance(written.value, str) else self.values.text(written.value)
        self.made.constants.append(
            model.Constant(name, value, text, written.comment, written.above)
        )

    def _enum(self, written: tree.EnumDefinition, name: str) -> None:
        self.made.types.append(self._made_enum(written, name))

    def _made_enum(self, written: tree.EnumDefinition, name: str) -> model.Enum:
        """The enumeration; it is made once."""
        if id(written) not in self.enums:
            self.enums[id(written)] = self._new_enum(written, name)
        return self.enums[id(written)]

    def _new_enum(self, written: tree.EnumDefinition, name: str) -> model.Enum:
        members = []
        shown = names.in_scope(
            [member.name for member in written.members], partial(names.member_name, enum=name)
        )
        for member in written.members:
            value = self.values.value_of(member.name, member.place)
            assert isinstance(value, int)
            if not -(2**31) <= value < 2**32:
                raise member.place.error(f"{value} is out of range for an enum")
            text = self.values.text(member.value) if member.value else str(value)
            if value >= 2**31:  # C's hexadecimal for a negative number
                value, text = value - 2**32, str(value - 2**32)
            members.append(
                model.Member(shown[member.name], value, text, member.comment, member.above)
            )
        registry = any(REGISTRY in line for line in written.comment)
        comment = tuple(line for line in written.comment if line.strip() != REGISTRY)
        return model.Enum(name, tuple(members), registry, comment)

    def _struct(self, written: tree.StructDefinition, name: str) -> None:
        element = written.name in self.lists.elements
        fields = [field for field in written.fields if field.form != "void"]
        self._unique(fields)
        shown = names.in_scope([field.name for field in fields], names.field_name)
        made = [self._field(field, name, shown[field.name]) for field in fields]
        if element:
            made[-1] = replace(made[-1], type=model.RestType(model.Reference(name)))
        self.made.types.append(model.Struct(name, tuple(made), written.comment))
        if written.pointer or (element and not self.lists.names[written.name]):
            self._pointer(written.name)

    def _field(self, written: tree.Declaration, struct: str, name: str) -> model.Field:
        made = self.type(written, f"{struct}_{written.name}")
        return model.Field(name, made, written.comment, written.above)

    def _pointer(self, struct: str) -> None:
        self.made.types.append(model.Alias(self.pointers[struct], self._pointed(struct)))

    def _pointed(self, struct: str) -> model.Type:
        """The optional or the list that a structure's pointer is."""
        target = model.Reference(self.shown[struct])
        return model.LinkedType(target) if struct in self.lists.elements else model.Optional(target)

    def _list(self, struct: str) -> str:
        """The name of the list of that element."""
        written = self.lists.names[struct]
        return self.shown[written] if written else self.pointers[struct]

    def _unique(self, fields: list[tree.Declaration]) -> None:
        seen: set[str] = set()
        for field in fields:
            if field.name in seen:
                raise field.place.error(f"two fields are named '{field.name}'")
            seen.add(field.name)

    def _typedef(self, written: tree.Typedef, name: str) -> None:
        made = self._alias(written, name)
        self.made.types.append(model.Alias(name, made, written.comment, written.above))

    def _alias(self, written: tree.Typedef, name: str) -> model.Type:
        """The type that a typedef names; it is made once, after the typedefs that it uses."""
        if name not in self.aliases:
            for each in postorder([written], self._typedefs_of):
                shown = self.shown[each.name]
                if shown not in self.aliases:
                    self.aliases[shown] = self._new_alias(each, shown)
        return self.aliases[name]

    def _typedefs_of(self, written: tree.Typedef) -> list[tree.Typedef]:
        kind = written.declaration.type
        found = self.scope.definitions.get(kind.name) if isinstance(kind, tree.Named) else None
        if isinstance(found, tree.Typedef) and self.shown[found.name] not in self.aliases:
            return [found]
        return []

    def _new_alias(self, written: tree.Typedef, name: str) -> model.Type:
        declared = written.declaration
        if declared.form == "void":
            raise written.place.error("a typedef of void names nothing")
        target = self.lists.target(declared) if declared.form == "pointer" else ""
        if target in self.lists.elements:
            return model.LinkedType(model.Reference(self.shown[target]))
        return self.type(declared, f"{name}_item")

    def _union(self, written: tree.UnionDefinition, name: str) -> None:
        switch = self._switch(written, name)
        cases: dict[int, model.Case] = {}
        default: tuple[model.Type | None, ...] = ()
        for arm in written.arms:
            body = self._arm_type(arm, name)
            if not arm.cases:
                default = (body,)
            for value in arm.cases:
                case = self._case(value, switch.type, body)
                if case.value in cases:
                    raise value.place.error(f"a second arm for {case.text}")
                cases[case.value] = case
        body_name = "body_" if switch.name == "body" else "body"
        made = model.Union(name, switch, body_name, tuple(cases.values()), default, written.comment)
        self.made.types.append(made)

    def _switch(self, written: tree.UnionDefinition, name: str) -> model.Field:
        declared = written.switch
        if declared.form == "plain":
            made = self.type(declared, f"{name}_{declared.name}")
            base = self._behind(made)
            integer = isinstance(base, model.ScalarType) and base.name in ("Int", "UInt", "Bool")
            if integer or isinstance(base, model.Enum):
                shown = names.field_name(declared.name)
                return model.Field(shown, made, declared.comment)
        raise declared.place.error("a discriminant is an int, unsigned int, bool or enum")

    def _arm_type(self, arm: tree.Arm, name: str) -> model.Type | None:
        if arm.body.form == "void":
            return None
        return self.type(arm.body, f"{name}_{arm.body.name}")

    def _case(self, value: tree.Value, switch: model.Type, body: model.Type | None) -> model.Case:
        number = self.values.number(value)
        base = self._behind(switch)
        if isinstance(base, model.Enum):
            member = self._member(base, value, number)
            if member is not None:
                return model.Case(number, f"{base.name}.{member}", body)
            if not base.registry:
                raise value.place.error(f"{number} is not a value of {base.name}")
        elif isinstance(base, model.ScalarType) and base.name == "Bool":
            if number not in (0, 1):
                raise value.place.error(f"{number} is not a bool")
            return model.Case(number, str(bool(number)), body)
        return model.Case(number, self.values.text(value), body)

    def _member(self, enum: model.Enum, value: tree.Value, number: int) -> str | None:
        """The member that a case names, or else the first one that has its number."""
        if enum.name not in self.members:
            by_number: dict[int, list[str]] = {}
            for member in enum.members:
                by_number.setdefault(member.value, []).append(member.name)
            self.members[enum.name] = by_number
        found = self.members[enum.name].get(number, [])
        written = names.member_name(value.name, enum=enum.name) if _is_name(value) else ""
        return written if written in found else next(iter(found), None)

    def _behind(self, kind: model.Type) -> model.Type | model.Enum:
        """The type that a chain of names ends at; for a structure or union the last name."""
        passed = []
        while isinstance(kind, model.Reference):
            if kind.name in self.ends:
                kind = self.ends[kind.name]
                break
            definition = self.by_shown.get(kind.name)
            if isinstance(definition, tree.EnumDefinition):
                return self._made_enum(definition, kind.name)
            if not isinstance(definition, tree.Typedef):
                break
            passed.append(kind.name)
            kind = self._alias(definition, kind.name)
        self.ends.update(dict.fromkeys(passed, kind))
        return kind

    def type(self, declared: tree.Declaration, inner: str) -> model.Type:
        """The type of a declaration; a type that it declares in line is named ``inner``."""
        assert declared.type is not None, "void has no type"
        if isinstance(declared.type, tree.Primitive) and declared.type.name in ("opaque", "string"):
            return self._bytes(declared, declared.type.name)
        target = self.lists.target(declared) if declared.form == "pointer" else ""
        if target in self.lists.elements:
            return model.Reference(self._list(target))
        element = self._element(declared.type, inner)
        if declared.form == "pointer":
            return self._optional(element)
        if declared.form == "plain":
            return element
        if self._is_empty(declared.type):
            raise declared.place.error("the elements of an array have no size")
        size = self._size(declared.size)
        return model.ItemsType("vector" if declared.form == "fixed" else "array", element, size)

    def _is_empty(self, kind: tree.Type) -> bool:
        """Whether a value has no bytes: an array of them would have no bound."""
        found: object = kind
        if isinstance(kind, tree.Named):
            found = self.lists.canonical(kind)
            if isinstance(found, tree.Named):
                found = self.scope.definitions.get(found.name)
        if isinstance(found, tree.Typedef):
            return self._has_no_bytes(found.declaration)
        if not isinstance(found, tree.StructDefinition) or found.pointer:
            return False
        if id(found) not in self.empty:
            self.empty[id(found)] = all(self._has_no_bytes(field) for field in found.fields)
        return self.empty[id(found)]

    def _has_no_bytes(self, declared: tree.Declaration) -> bool:
        if declared.form == "fixed" and declared.size and not self.values.size(declared.size):
            return True
        if declared.form in ("variable", "pointer") or declared.type is None:
            return declared.form == "void"
        return self._is_empty(declared.type)

    def _bytes(self, declared: tree.Declaration, kind: str) -> model.BytesType:
        size = self._size(declared.size)
        return model.BytesType("fixed" if declared.form == "fixed" else kind, size)

    def _size(self, value: tree.Value | None) -> model.Size | None:
        return model.Size(self.values.size(value), self.values.text(value)) if value else None

    def _optional(self, element: model.Type) -> model.Type:
        """``T | None | None`` is ``T | None``; an array of at most one has the same bytes."""
        behind = self._behind(element)
        if isinstance(behind, model.Optional):
            return model.ItemsType("array", element, model.Size(1, "1"))
        return model.Optional(element)

    def _element(self, kind: tree.Type, inner: str) -> model.Type:
        if isinstance(kind, tree.Primitive):
            if kind.name == "quadruple":
                raise kind.place.error("quadruple has no Python type")
            return model.ScalarType(kind.name)
        if isinstance(kind, tree.Named):
            return self._named(kind)
        name = self._fresh(inner)
        if isinstance(kind, tree.EnumDefinition):
            self._enum(kind, name)
        elif isinstance(kind, tree.StructDefinition):
            self._struct(kind, name)
        else:
            self._union(kind, name)
        return model.Reference(name)

    def _named(self, kind: tree.Named) -> model.Type:
        definition = self.scope.definitions.get(kind.name)
        if definition is None and kind.name in C_TYPES:
            return model.ScalarType(C_TYPES[kind.name])
        if definition is None:
            raise kind.place.error(f"unknown type '{kind.name}'")
        if isinstance(definition, (tree.ConstantDefinition, tree.ProgramDefinition)):
            raise kind.place.error(f"'{kind.name}' is not a type")
        pointer = isinstance(definition, tree.StructDefinition) and definition.pointer
        return model.Reference((self.pointers if pointer else self.shown)[kind.name])

    def _fresh(self, name: str) -> str:
        """A name that nothing in the file has."""
        name = names.free(names.unmangled(name), self.taken)
        self.taken.add(name)
        return name

    def _program(self, written: tree.ProgramDefinition, name: str) -> None:
        number = self._numbered(written.number)
        text = self.values.text(written.number)
        self.made.constants.append(model.Constant(name, number, text, written.comment, above=True))
        versions = [self._version(version, name) for version in written.versions]
        _distinct(written.versions, [version.number for version in versions])
        self.made.programs.append(model.Program(name, number, tuple(versions), written.comment))

    def _version(self, written: tree.VersionDefinition, program: str) -> model.DeclaredVersion:
        name = names.global_name(written.name)
        if name in self.taken:
            name = f"{program}_{written.name}"
        name = self._fresh(name)
        rule = partial(names.procedure_name, version=name)
        shown = names.in_scope([procedure.name for procedure in written.procedures], rule)
        procedures = [self._procedure(p, name, shown[p.name]) for p in written.procedures]
        _distinct(written.procedures, [procedure.number for procedure in procedures])
        number = self._numbered(written.number)
        return model.DeclaredVersion(name, number, tuple(procedures), written.comment)

    def _procedure(
        self, written: tree.ProcedureDefinition, version: str, name: str
    ) -> model.DeclaredProcedure:
        shown = _parameters(written.parameters, version)
        parameters = [
            model.Field(each, self.type(declared, f"{version}_{written.name}_{each}"))
            for each, declared in zip(shown, written.parameters, strict=True)
        ]
        result = None
        if written.result.form != "void":
            result = self.type(written.result, f"{version}_{written.name}_result")
        return model.DeclaredProcedure(
            name, self._numbered(written.number),
            tuple(parameters), result, written.comment,
        )  # fmt: skip

    def _numbered(self, value: tree.Value) -> int:
        """The number of a program, version or procedure: an unsigned int (RFC 5531 §12.3)."""
        number = self.values.number(value)
        if not 0 <= number <= LARGEST_NUMBER:
            raise value.place.error(f"{number} is not an unsigned int")
        return number


def _is_name(value: tree.Value) -> TypeGuard[tree.Name]:
    return isinstance(value, tree.Name)


def _parameters(written: Sequence[tree.Declaration], version: str) -> list[str]:
    """The names of a procedure's parameters; those without a name are numbered."""
    seen: set[str] = set()
    for declared in written:
        if declared.name in seen:
            raise declared.place.error(f"two parameters are named '{declared.name}'")
        seen |= {declared.name} - {""}
    shown = names.in_scope(sorted(seen), partial(names.parameter_name, version=version))
    taken = set(shown.values())
    made = []
    for number, declared in enumerate(written, start=1):
        default = "arg" if len(written) == 1 else f"arg{number}"
        made.append(shown[declared.name] if declared.name else names.free(default, taken))
        taken.add(made[-1])
    return made


def _distinct(
    nodes: Sequence[tree.VersionDefinition | tree.ProcedureDefinition], numbers: list[int]
) -> None:
    """Names and numbers occur once in a program or version (RFC 5531 §12.3)."""
    seen: set[object] = set()
    for node, number in zip(nodes, numbers, strict=True):
        for key, shown in ((node.name, f"'{node.name}'"), (number, f"number {number}")):
            if key in seen:
                raise node.place.error(f"{shown} occurs twice")
            seen.add(key)
