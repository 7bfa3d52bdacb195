"""Programs as Python text: a class a version, with its client and its service."""

from __future__ import annotations

import re
from collections.abc import Callable

from oncrpc.idl import model
from oncrpc.idl.layout import Group, Part, docstring, lines_of
from oncrpc.idl.text import ValueTypes, declaration_text

WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*")


class Programs:
    """Writes versions; ``other`` gives another name for a type that a procedure hides."""

    def __init__(self, values: ValueTypes, other: Callable[[str], str]) -> None:
        self.values, self.other = values, other

    def version(self, made: model.DeclaredVersion, program: model.Program) -> list[str]:
        """The class of a version."""
        bases = ["Version", f"prog={program.name}", f"vers={made.number}"]
        lines = lines_of(Group(f"class {made.name}(", bases, "):"), 0)
        about = list(made.comment) or [f"Version {made.number} of {program.name}."]
        lines += [*docstring(about, 1), ""]
        hidden = self.shadowed(made)
        for procedure in made.procedures:
            lines += self._constant(procedure, hidden)
        what = f"{program.name} version {made.number}."
        lines += ["", "    class Client(rpc.Client):", *docstring([f"Calls {what}"], 2), ""]
        kind = self._seen(f"type[{made.name}.SyncClient]", hidden)
        lines += [f"        blocking: ClassVar[{kind}]"]
        for procedure in made.procedures:
            lines += ["", *self._client(procedure, made.name, hidden, awaited=True)]
        lines += ["", "    class SyncClient(rpc.SyncClient):"]
        lines += docstring([f"Calls {what[:-1]}, blocking."], 2)
        lines += ["", f"        client: {made.name}.Client"]
        for procedure in made.procedures:
            lines += ["", *self._client(procedure, made.name, hidden, awaited=False)]
        lines += ["", "    class Service(rpc.Service):", *docstring([f"Serves {what}"], 2)]
        for procedure in made.procedures:
            lines += ["", *self._service(procedure, hidden)]
        return lines

    def shadowed(self, made: model.DeclaredVersion) -> set[str]:
        """The types that are named like a procedure, which hides them in the class."""
        names = {procedure.name for procedure in made.procedures}
        used: set[str] = set()
        for procedure in made.procedures:
            for kind in (*(field.type for field in procedure.parameters), procedure.result):
                used |= {"type"} | set(
                    WORD.findall(f"{declaration_text(kind)} {self.values.of(kind)}")
                )
        return names & used

    def _constant(self, procedure: model.DeclaredProcedure, hidden: set[str]) -> list[str]:
        items: list[Part] = [str(procedure.number)]
        items += [
            self._seen(str(declaration_text(field.type)), hidden) for field in procedure.parameters
        ]
        if procedure.result is not None:
            items.append(f"result={self._seen(str(declaration_text(procedure.result)), hidden)}")
        kinds = [procedure.result, *(field.type for field in procedure.parameters)]
        values = [self._value(kind, hidden) for kind in kinds]
        head = lines_of(Group(f"{procedure.name} = Procedure[", values, "]"), 1, after="(")
        call = lines_of(Group(head[-1].strip(), items, ")"), 1)
        if len(head) > 1 and len(call) == 1:  # broken twice, as ruff does
            call = ["    ](", *(f"        {item}," for item in items), "    )"]
        return [*head[:-1], *call]

    def _client(
        self, procedure: model.DeclaredProcedure, version: str, hidden: set[str], *, awaited: bool
    ) -> list[str]:
        names = [field.name for field in procedure.parameters]
        opening = "await self.call(" if awaited else "self.call("
        call = Group(opening, [f"{version}.{procedure.name}", *names], ")")
        before = "" if procedure.result is None else "return "
        word = "async def " if awaited else "def "
        head = self._head(word, procedure, [], hidden, self._value(procedure.result, hidden))
        return [*head, *docstring(procedure.comment, 3), *lines_of(call, 3, before=before)]

    def _service(self, procedure: model.DeclaredProcedure, hidden: set[str]) -> list[str]:
        result = f"Answer[{self._value(procedure.result, hidden)}]"
        head = self._head("def ", procedure, ["call: Call"], hidden, result)
        null = procedure.number == 0 and procedure.result is None and not procedure.parameters
        body = "return None" if null else "raise ProcedureUnavailable"
        return [*head, *docstring(procedure.comment, 3), f"            {body}"]

    def _head(
        self,
        word: str,
        procedure: model.DeclaredProcedure,
        first: list[str],
        hidden: set[str],
        result: str,
    ) -> list[str]:
        parameters = [
            f"{field.name}: {self._value(field.type, hidden)}" for field in procedure.parameters
        ]
        opening = f"{word}{procedure.name}("
        return lines_of(Group(opening, ["self", *first, *parameters], f") -> {result}:"), 2)

    def _value(self, kind: model.Type | None, hidden: set[str]) -> str:
        return self._seen(self.values.of(kind), hidden)

    def _seen(self, text: str, hidden: set[str]) -> str:
        """The text with the other names of the types that are hidden."""
        return WORD.sub(lambda word: self.other(word[0]) if word[0] in hidden else word[0], text)
