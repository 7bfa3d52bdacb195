"""Python names of wire names: the same, with an underscore after those that Python has taken.

If the file has that name too, such as ``from_`` beside ``from``, more underscores follow.
"""

from __future__ import annotations

import enum
import keyword
import re
from collections.abc import Callable, Iterable
from types import AsyncGeneratorType, CoroutineType, FunctionType, GeneratorType, ModuleType

FROM_RPC = ("Answer", "Call", "Procedure", "Version")
FROM_XDR = (
    "Bool", "Double", "Float", "Hyper", "Int", "Opaque", "String", "UHyper", "UInt",
)  # fmt: skip
IMPORTED = {
    "annotations", "enum", "rpc", "xdr", "Annotated", "ClassVar", "ProcedureUnavailable",
    *FROM_RPC, *FROM_XDR,
}  # fmt: skip
"""Names that generated modules import."""

BUILT_IN = {"bool", "bytes", "float", "int", "list", "type"}
SPECIAL = {
    name
    for kind in (object, type, int, float, complex, dict, list, set, str, property, FunctionType,
                 GeneratorType, CoroutineType, AsyncGeneratorType, ModuleType)
    for name in dir(kind)
    if name.startswith("__")
} | {
    "__all__", "__builtins__", "__cached__", "__copy__", "__debug__", "__deepcopy__", "__enter__",
    "__exit__", "__file__", "__firstlineno__", "__fspath__", "__getattr__", "__match_args__",
    "__missing__", "__orig_bases__", "__parameters__", "__weakref__", "__path__", "__set_name__",
    "__slots__", "__static_attributes__", "__xdr_arms__", "__xdr_fields__", "__xdr_rest__",
}  # fmt: skip
"""Names with a meaning in modules, classes or objects, of Python or of ``oncrpc.xdr``."""

MEMBERS = {name for name in dir(enum.IntEnum) if not name.startswith("_")} | {
    "mro",
    "name",
    "value",
}
PROCEDURES = IMPORTED | {
    "call", "client", "link", "options", "version", "with_options",
    "_has", "blocking", "handlers", "procedures", "prog", "vers", "Client", "Service", "SyncClient",
}  # fmt: skip
"""Attributes of clients, services and versions, and names that the body of a version uses."""

PARAMETERS = {"self", "call", "ProcedureUnavailable"}
"""Names that the methods of clients and services use, besides the version."""


def in_scope(written: Iterable[str], rule: Callable[[str], str]) -> dict[str, str]:
    """The Python names of one scope, all different; a name that needs no change keeps its own."""
    made = {name: rule(name) for name in written}
    taken = {name for name, shown in made.items() if name == shown}
    for name in [name for name in made if name not in taken]:
        made[name] = free(made[name], taken)
        taken.add(made[name])
    return made


def free(name: str, taken: Iterable[str]) -> str:
    """The name, with enough underscores after it to differ from those taken."""
    while name in taken:
        name += "_"
    return name


def synonym(name: str, taken: Iterable[str]) -> str:
    """Another name for a type that a class hides by a name of its own."""
    return free(unmangled("_" + name), taken)


def global_name(name: str) -> str:
    """The name of a type, a constant, a version."""
    return _free(name, IMPORTED | BUILT_IN)


def field_name(name: str) -> str:
    """The name of a field."""
    return _free(name, {"self"})


def member_name(name: str, *, enum: str = "") -> str:
    """The name of a member of an enumeration.

    ``_x_`` and ``__x__`` are reserved by ``enum``, and ``_e__x`` is private to a class ``e``. With
    three underscores at its end a name is none of these.
    """
    if re.fullmatch(r"_.*[^_]_{0,2}", name) and (name.endswith("_") or name.startswith("__")):
        return name.rstrip("_") + "___"
    if name.startswith(f"_{enum}__"):
        return name.rstrip("_") + "___"
    return _free(name, MEMBERS)


def procedure_name(name: str, *, version: str = "") -> str:
    """The name of a procedure: a method of clients and services, which name their version."""
    return _free(name, PROCEDURES | {version})


def parameter_name(name: str, *, version: str = "") -> str:
    """The name of a parameter; services have ``call`` before it, clients name their version."""
    return _free(name, PARAMETERS | {version})


def _free(name: str, taken: set[str]) -> str:
    shown = unmangled(name)
    special = keyword.iskeyword(shown) or shown in SPECIAL
    return shown + "_" if special or shown in taken else shown


def unmangled(name: str) -> str:
    """A name that begins with two underscores gets two at its end, or a class would mangle it."""
    return name + "__" if name.startswith("__") and not name.endswith("__") else name
