"""Declaring wire types (RFC 4506 §4): annotations, and the class decorators.

The declaration alone defines the bytes of a type. The primitives are
``Annotated`` Python types; sizes and limits are markers beside them::

    @xdr.struct
    class opaque_auth:
        flavor: auth_flavor
        body: Annotated[bytes, xdr.opaque(400)]

    rpcblist_ptr = Annotated[list[rp__list], xdr.linked]

=====================  ==========================================  ====================
RFC 4506               declaration                                 Python value
=====================  ==========================================  ====================
int, unsigned int      ``Int``, ``UInt``                           int
hyper, unsigned hyper  ``Hyper``, ``UHyper``                       int
float, double          ``Float``, ``Double``                       float
bool                   ``Bool``                                    bool
enum                   a subclass of ``Enumeration``               its member
opaque x[n]            ``Annotated[bytes, fixed(n)]``              bytes
opaque x<m>            ``Annotated[bytes, opaque(m)]``             bytes
string x<m>            ``Annotated[bytes, string(m)]``             bytes
T x[n]                 ``Annotated[list[T], vector(n)]``           list
T x<m>                 ``Annotated[list[T], array(m)]``            list
T \\*x                  ``T | None``                                value or None
list by \\*next         ``Annotated[list[T], linked]``              list
its \\*next             ``Annotated[list[T] | None, rest] = None``  list or None
void                   ``None``                                    None
=====================  ==========================================  ====================
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Mapping
from functools import cache
from types import CodeType, FunctionType
from typing import Annotated, Any, NamedTuple, TypeVar, cast, dataclass_transform

from oncrpc.xdr.compile import define

T = TypeVar("T")

UNLIMITED = 0xFFFFFFFF
"""The limit of a variable-length type that declares none: its length is an unsigned int."""


class Scalar(NamedTuple):
    """A value of fixed size; ``format`` is its letter in the ``struct`` module."""

    format: str
    size: int
    name: str


class Bytes(NamedTuple):
    """Opaque data or a string: exactly ``limit`` bytes if ``fixed``, else at most that many."""

    limit: int
    fixed: bool


class Items(NamedTuple):
    """An array: exactly ``limit`` elements if ``fixed``, else at most that many."""

    limit: int
    fixed: bool


class Linked(NamedTuple):
    """Elements chained by an optional ``next``: each is preceded by TRUE, the end is FALSE."""


class Rest(NamedTuple):
    """The ``next`` of a list element: the elements that follow one that is not in a list."""


class Arms(NamedTuple):
    """A union's arms by discriminant; ``default`` is ``REFUSED`` where none is declared."""

    cases: Mapping[int, Any]
    default: Any


REFUSED = object()
"""Stands for a missing default arm: a discriminant without an arm is an error."""

Int = Annotated[int, Scalar("i", 4, "int")]
"""``int`` (§4.1): an ``int`` of 32 bits, signed."""

UInt = Annotated[int, Scalar("I", 4, "unsigned int")]
"""``unsigned int`` (§4.2): an ``int`` of 32 bits, 0 or more."""

Hyper = Annotated[int, Scalar("q", 8, "hyper")]
"""``hyper`` (§4.5): an ``int`` of 64 bits, signed."""

UHyper = Annotated[int, Scalar("Q", 8, "unsigned hyper")]
"""``unsigned hyper`` (§4.5): an ``int`` of 64 bits, 0 or more."""

Float = Annotated[float, Scalar("f", 4, "float")]
"""``float`` (§4.6): a ``float`` of single precision."""

Double = Annotated[float, Scalar("d", 8, "double")]
"""``double`` (§4.7): a ``float`` of double precision."""

Bool = Annotated[bool, Scalar("I", 4, "bool")]
"""``bool`` (§4.4)."""

String = Annotated[bytes, Bytes(UNLIMITED, fixed=False)]
"""``string x<>`` (§4.11), without a limit: ``bytes`` in Python, not ``str``."""

Opaque = Annotated[bytes, Bytes(UNLIMITED, fixed=False)]
"""``opaque x<>`` (§4.10), without a limit: ``bytes``."""

linked = Linked()
"""Marker of a linked list (§4.19)."""

rest = Rest()
"""Marker of the last field of a list element (§4.19). It is None where nothing follows.

In a list it is None too: the list has the elements that follow.
"""


def opaque(limit: int = UNLIMITED) -> Bytes:
    """Marker of ``opaque x<limit>`` (§4.10)."""
    return Bytes(limit, fixed=False)


string = opaque
"""Marker of ``string x<limit>`` (§4.11): on the wire the same as opaque."""


def fixed(size: int) -> Bytes:
    """Marker of ``opaque x[size]`` (§4.9)."""
    return Bytes(size, fixed=True)


def array(limit: int = UNLIMITED) -> Items:
    """Marker of ``T x<limit>`` (§4.13)."""
    return Items(limit, fixed=False)


def vector(size: int) -> Items:
    """Marker of ``T x[size]`` (§4.12)."""
    return Items(size, fixed=True)


class Enumeration(enum.IntEnum):
    """An enumeration (§4.3): its members are integers that print their names.

    ``str(member)`` and ``f"{member}"`` are the name; ``f"{member:d}"`` is the number.
    """

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    def __format__(self, spec: str) -> str:
        if spec and spec[-1] in NUMBER_FORMATS:
            return int.__format__(self, spec)
        return self.name.__format__(spec)


NUMBER_FORMATS = "bcdeEfFgGnoxX%"
"""The last characters of formats that are for numbers."""


class OpenEnumeration(Enumeration):
    """An enumeration that its registry extends: numbers without a name are kept, not refused."""

    def __repr__(self) -> str:
        known = self.name in type(self).__members__
        return super().__repr__() if known else f"{type(self).__name__}({self.value})"

    @classmethod
    def _missing_(cls, value: object) -> OpenEnumeration | None:
        if not isinstance(value, int) or not -(2**31) <= value < 2**31:
            return None
        member = int.__new__(cls, value)
        member._name_, member._value_ = f"{cls.__name__}_{value}", value
        return member


@dataclass_transform(frozen_default=True)
def struct(cls: type[T]) -> type[T]:
    """Make the class a wire structure (§4.14): slots, positional construction, equality, repr.

    Instances are frozen for the type checker only. The codec is compiled at first use. Only the
    ``rest`` of a list element has a default: None.
    """
    annotations = _annotations(cls)
    names = tuple(annotations)
    defaults = {name: vars(cls)[name] for name in names if name in vars(cls)}
    left_out = _REPLACED | defaults.keys()
    body = {key: value for key, value in vars(cls).items() if key not in left_out}
    types = {name: str(annotation) for name, annotation in annotations.items()}
    body |= {"__slots__": types, "__match_args__": names, "__xdr_fields__": names}
    body |= {"__init__": _initializer(cls, types, defaults), "__eq__": _equal, "__hash__": _hash}
    body["__doc__"] = cls.__doc__ or f"Fields: {', '.join(names)}." if names else cls.__doc__
    body |= {"__repr__": _repr, "__xdr_rest__": next(iter(defaults), "")}
    made: Any = type(cls.__name__, cls.__bases__, body)
    made.__qualname__ = cls.__qualname__
    return cast(type[T], made)


def _annotations(cls: type) -> Mapping[str, object]:
    """The annotations of the class itself, in order.

    Since Python 3.14 they are evaluated when first read, unless the module has strings of them
    (``from __future__ import annotations``); they may name classes that come later.
    """
    found: Mapping[str, object] | None = vars(cls).get("__annotations__")
    if found is None and sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    return found or {}


@dataclass_transform(frozen_default=True)
def union(cases: Mapping[int, Any], *, default: Any = REFUSED) -> Any:
    """Make the class a discriminated union (§4.15): a pair, discriminant and body.

    ``cases`` maps each discriminant to the declaration of its arm, None for void. A declaration
    that follows further down is written as a text.
    """

    def decorate(cls: type[T]) -> type[T]:
        made = struct(cls)
        made.__xdr_arms__ = Arms(cases, default)  # type: ignore[attr-defined]  # read by compile
        return made

    return decorate


_REPLACED = {"__dict__", "__weakref__", "__slots__"}


def _initializer(cls: type, types: dict[str, str], defaults: dict[str, Any]) -> Any:
    """The constructor; its annotations, and those of the slots, are for ``help()``."""
    made = FunctionType(_storing(*types), {}, "__init__", tuple(defaults.values()))
    made.__annotations__ = types | {"return": "None"}
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


@cache
def _storing(*names: str) -> CodeType:
    """The code of a constructor with these fields. Many structures have the same ones."""
    lines = [f"    self.{name} = {name}" for name in names] or ["    pass"]
    made = define("__init__", [f"def __init__(self, {', '.join(names)}):", *lines], {})
    code: CodeType = made.__code__
    return code


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name in self.__xdr_fields__)


def _equal(self: Any, other: object) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return bool(_values(self) == _values(other))


def _hash(self: Any) -> int:
    return hash((self.__class__, *_values(self)))


def _repr(self: Any) -> str:
    values = {name: getattr(self, name) for name in self.__xdr_fields__}
    if self.__xdr_rest__ and values[self.__xdr_rest__] is None:
        del values[self.__xdr_rest__]
    return f"{self.__class__.__name__}({', '.join(f'{k}={v!r}' for k, v in values.items())})"
