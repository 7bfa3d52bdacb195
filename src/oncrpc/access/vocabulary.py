"""The short names of procedures that rules, log lines and counts use.

A daemon makes one ``Vocabulary`` of the versions that it serves and hands it to whatever shows or
judges calls, so that nothing in this folder knows a program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from oncrpc.access.rules import ProcedureName
from oncrpc.rpc import AnyProcedure, Call, Version

NULL = "NULL"
"""The short name of procedure 0, which every program answers to everybody."""


class Vocabulary:
    """Names for the procedures of some versions.

    The short name of a procedure is its name in the RFC without the first word: ``SET`` for both
    ``PMAPPROC_SET`` and ``RPCBPROC_SET``, ``LOCK_MSG`` for ``NLM_LOCK_MSG``.

    ``with_program`` has the short names of the procedures whose first argument is a program number.
    ``logged_as`` has those that log lines name otherwise.
    """

    def __init__(
        self,
        versions: Iterable[type[Version]],
        *,
        with_program: Iterable[str] = (),
        logged_as: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.names = {
            procedure.name: procedure.name.partition("_")[2] or procedure.name
            for version in versions
            for procedure in version.procedures.values()
        }
        self.with_program, self._logged_as = frozenset(with_program), logged_as
        self.in_rules = frozenset(self.names.values()) - {NULL}
        unknown = (self.with_program | set(logged_as)) - set(self.names.values())
        if unknown:
            raise ValueError(f"unknown procedures: {', '.join(sorted(unknown))}")

    def name(self, procedure: AnyProcedure) -> str:
        """The short name of a procedure: ``GETPORT``."""
        return self.names[procedure.name]

    def log_name(self, procedure: AnyProcedure) -> str:
        """The name of a procedure in a log line: ``getport/addr``."""
        name = self.name(procedure)
        return self._logged_as.get(name, name.lower())

    def program_of(self, call: Call) -> int | None:
        """The program number that the arguments of a call begin with, if they begin with one."""
        at = call.arguments_at
        if self.name(call.procedure) not in self.with_program or len(call.message) < at + 4:
            return None
        return int.from_bytes(call.message[at : at + 4], "big")

    def procedure_named(self, value: object) -> ProcedureName:
        """The name of a procedure as a rule has it.

        Raises:
            ValueError: no rule can be about it.
        """
        if value == NULL:
            raise ValueError("NULL does nothing, and everybody may call it")
        if value not in self.in_rules:
            known = ", ".join(sorted(self.in_rules))
            raise ValueError(f"{value!r} is not a procedure; write one of {known}")
        name = str(value)
        return ProcedureName(name, has_program=name in self.with_program)
