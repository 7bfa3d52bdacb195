"""Names of the wire in Python: the same, with an underscore behind those that Python has taken.

Where that is another name of the file's, as ``from_`` beside ``from``, more underscores follow.
"""

from __future__ import annotations

import enum
import keyword
from collections.abc import Callable, Iterable

FROM_RPC = ("Answer", "Call", "Procedure", "Version")
FROM_XDR = (
    "Bool", "Double", "Float", "Hyper", "Int", "Opaque", "String", "UHyper", "UInt",
)  # fmt: skip
IMPORTED = {
    "annotations", "enum", "rpc", "xdr", "Annotated", "ClassVar", "ProcedureUnavailable",
    *FROM_RPC, *FROM_XDR,
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
    "blocking", "handlers", "procedures", "prog", "vers", "Client", "Service", "SyncClient",
}  # fmt: skip
"""What clients, services and versions have, and what the body of a version refers to."""

PARAMETERS = {"self", "call", "ProcedureUnavailable"}
"""What the methods of clients and services refer to, but for the version."""


def in_scope(written: Iterable[str], rule: Callable[[str], str]) -> dict[str, str]:
    """The names of one scope in Python, each another one; those that can stay do."""
    made = {name: rule(name) for name in written}
    taken = {name for name, shown in made.items() if name == shown}
    for name in [name for name in made if name not in taken]:
        made[name] = free(made[name], taken)
        taken.add(made[name])
    return made


def free(name: str, taken: Iterable[str]) -> str:
    """The name, with as many underscores behind it as it takes to be none of those."""
    while name in taken:
        name += "_"
    return name


def synonym(name: str, taken: Iterable[str]) -> str:
    """Another name for what a class hides by something of its own."""
    return free(_unmangled("_" + name), taken)


def global_name(name: str) -> str:
    """The name of a type, a constant, a version."""
    return _free(name, IMPORTED | BUILT_IN)


def field_name(name: str) -> str:
    """The name of a field."""
    return _free(name, {"self"})


def member_name(name: str) -> str:
    """The name of a member of an enumeration."""
    return _free(name, MEMBERS)


def procedure_name(name: str, *, version: str = "") -> str:
    """The name of a procedure: a method of clients and services, which name their version."""
    return _free(name, PROCEDURES | {version})


def parameter_name(name: str, *, version: str = "") -> str:
    """The name of a parameter; services have ``call`` before them, clients name their version."""
    return _free(name, PARAMETERS | {version})


def _free(name: str, taken: set[str]) -> str:
    unmangled = _unmangled(name)
    if unmangled != name:
        return unmangled
    return name + "_" if keyword.iskeyword(name) or name in taken else name


def _unmangled(name: str) -> str:
    """With two underscores behind it what begins with two: else a class gives it another name."""
    return name + "__" if name.startswith("__") and not name.endswith("__") else name
