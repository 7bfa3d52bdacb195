"""A model of the C decoder (RFC 4506): what it accepts where ours refuses (``LAXER``).

The resolved tree is walked beside the bytes. Each way in which C is the laxer is noted where it
occurs, so that what C has to make of any bytes is known, to the byte:

- no note: both accept, and encode again what was read;
- a note of ``LAXER``: C accepts, we refuse;
- only notes of ``LOSSY``: both accept, and C loses a part of the value.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from oncrpc.idl import model
from oncrpc.xdr import UNLIMITED

LAXER = {
    "bool": "any number but 0 is TRUE (xdr_bool, xdr_pointer)",
    "enum": "a number that is no member is kept (xdr_enum)",
    "padding": "the bytes after opaque data and strings are skipped unseen (xdr_opaque)",
    "trailing": "what follows the value is not looked at",
}
"""What C accepts and we refuse."""

LOSSY = {
    "nul": "a string ends for C at its first zero byte (xdr_string)",
    "narrow": "char and unsigned char, four bytes on the wire, keep the last (xdr_char)",
}
"""What both accept, and C cannot keep."""

STRICTER = {
    "netbuf": "at most maxlen bytes, and a maxlen of at most 9000 (xdr_netbuf, not of rpcgen)",
}
"""What C refuses and we accept."""

NARROW = {
    "ip_addr_t": ("net", "host", "lh", "impno"),
    "table_obj": ("ta_sep",),
    "desargs": ("des_key", "des_ivec"),
    "desresp": ("des_ivec",),
}
"""Fields of one byte in C: a structure's, by their declaration in the interface."""

RPC_MAXDATASIZE = 9000
"""Of <rpc/rpc_com.h>."""

FORMATS = {"Int": ">i", "UInt": ">I", "Bool": ">I", "Hyper": ">q", "UHyper": ">Q"}


class Refused(Exception):
    """C refuses the bytes."""


class Reading(NamedTuple):
    """``again`` are the bytes that C makes of the value, but for what the notes say."""

    again: bytes
    notes: frozenset[str]


def reading(interface: model.Interface, name: str, data: bytes) -> Reading:
    """The result of C for bytes decoded as a type.

    Raises:
        Refused: it does not.
    """
    reader = _Reader({str(each.name): each for each in interface.types}, data)
    reader.declared(name)
    if reader.at < len(data):
        reader.notes.add("trailing")
    return Reading(bytes(reader.again), frozenset(reader.notes))


class _Reader:
    def __init__(self, types: dict[str, model.Declared], data: bytes) -> None:
        self.types = types
        self.data = data
        self.at = 0
        self.again = bytearray()
        self.notes: set[str] = set()
        self.narrow = False

    def declared(self, name: str) -> int | None:
        """A declared type; the number that it is, if it can be a discriminant."""
        match self.types[name]:
            case model.Enum(members=members, registry=registry):
                number = self.number("Int")
                if not registry and all(number != member.value for member in members):
                    self.notes.add("enum")
                return number
            case model.Struct(fields=fields):
                self.fields(name, fields)
                return None
            case model.Union() as union:
                self.union(union)
                return None
            case model.Alias(type=type_):
                return self.type(type_)

    def fields(self, name: str, fields: tuple[model.Field, ...]) -> None:
        start = len(self.again)
        for field in fields:
            self.narrow = field.name in NARROW.get(name, ())
            self.type(field.type)
        self.narrow = False
        if name == "netbuf":
            maxlen, size = struct.unpack_from(">II", self.again, start)
            if size > maxlen or maxlen > RPC_MAXDATASIZE:
                self.notes.add("netbuf")

    def union(self, union: model.Union) -> None:
        tag = self.type(union.switch.type)
        arms = [case.type for case in union.cases if case.value == tag] or list(union.default)
        if not arms:
            raise Refused(f"{union.name} has no arm {tag}")
        if arms[0] is not None:
            self.type(arms[0])

    def type(self, type_: model.Type) -> int | None:
        match type_:
            case model.ScalarType(name=name):
                return self.number(name)
            case model.Reference(name=name):
                return self.declared(str(name))
            case model.BytesType():
                self.octets(type_)
            case model.ItemsType(element=element):
                for _ in range(self.length(type_)):
                    self.type(element)
            case model.Optional(element=element):
                if self.number("Bool"):
                    self.type(element)
            case model.LinkedType(element=element):
                while self.number("Bool"):
                    self.type(element)
        return None

    def number(self, name: str) -> int:
        layout = FORMATS[name]
        (number,) = struct.unpack(layout, self.take(struct.calcsize(layout)))
        if name == "Bool" and number > 1:
            self.notes.add("bool")
            number = 1
        if self.narrow and not 0 <= number < 0x80:
            self.notes.add("narrow")
            number &= 0xFF
        self.again += struct.pack(layout, number)
        return int(number)

    def length(self, type_: model.BytesType | model.ItemsType) -> int:
        most = type_.size.value if type_.size else UNLIMITED
        if type_.marker in ("fixed", "vector"):
            return most
        (length,) = struct.unpack(">I", self.take(4))
        if length > most:
            raise Refused(f"{length}, limit {most}")
        self.again += struct.pack(">I", length)
        return int(length)

    def octets(self, type_: model.BytesType) -> None:
        length = self.length(type_)
        data = self.take(length)
        if any(self.take(-length % 4)):
            self.notes.add("padding")
        if type_.marker == "string" and 0 in data:
            self.notes.add("nul")
            data = data.partition(b"\0")[0]
            self.again[-4:] = struct.pack(">I", len(data))
        self.again += data + bytes(-len(data) % 4)

    def take(self, size: int) -> bytes:
        taken = self.data[self.at : self.at + size]
        if len(taken) < size:
            raise Refused(f"need {size} bytes, have {len(taken)}")
        self.at += size
        return taken
