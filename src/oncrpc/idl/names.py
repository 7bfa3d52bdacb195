"""Names of the wire in Python: the same, with an underscore behind those that Python has taken."""

from __future__ import annotations

import enum
import keyword

FROM_RPC = ("Answer", "Call", "Procedure", "Version")
FROM_XDR = (
    "Bool", "Double", "Float", "Hyper", "Int", "Opaque", "String", "UHyper", "UInt",
)  # fmt: skip
IMPORTED = {
    "annotations", "enum", "rpc", "xdr", "Annotated", "ProcedureUnavailable", *FROM_RPC, *FROM_XDR,
}  # fmt: skip
"""What generated modules import."""

BUILT_IN = {"bool", "bytes", "float", "int", "list"}
MEMBERS = {name for name in dir(enum.IntEnum) if not name.startswith("_")} | {
    "mro",
    "name",
    "value",
}
PROCEDURES = IMPORTED | {
    "call", "client", "link", "options", "version", "with_options",
    "handlers", "procedures", "prog", "vers", "Client", "Service",
}  # fmt: skip
"""What clients, services and versions have, and what the body of a version refers to."""

PARAMETERS = {"self", "call"}


def global_name(name: str) -> str:
    """The name of a type, a constant, a version."""
    return _free(name, IMPORTED | BUILT_IN)


def field_name(name: str) -> str:
    """The name of a field."""
    return _free(name, {"self"})


def member_name(name: str) -> str:
    """The name of a member of an enumeration."""
    return _free(name, MEMBERS)


def procedure_name(name: str) -> str:
    """The name of a procedure: a method of clients and services."""
    return _free(name, PROCEDURES)


def parameter_name(name: str) -> str:
    """The name of a parameter; services have ``call`` before them."""
    return _free(name, PARAMETERS)


def _free(name: str, taken: set[str]) -> str:
    if name.startswith("__") and not name.endswith("__"):
        return name + "__"  # Python gives it another name within a class
    return name + "_" if keyword.iskeyword(name) or name in taken else name
