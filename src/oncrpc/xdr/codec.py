"""Bytes to values and back: a codec for each declared type, compiled at first use (RFC 4506)."""

from __future__ import annotations

import struct as _struct
from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin, overload

from oncrpc.errors import XdrError
from oncrpc.xdr.decoder import Decode, DecodeWriter
from oncrpc.xdr.encoder import Encode, EncodeWriter
from oncrpc.xdr.misfit import misfit
from oncrpc.xdr.nodes import Node, node_of

T = TypeVar("T")
TOO_DEEP = "nested too deeply"


class Codec(Generic[T]):
    """Encodes and decodes the values of one declared type."""

    def __init__(self, declared: Any) -> None:
        self.declared = declared
        self.name = _name(declared)

    @cached_property
    def node(self) -> Node:
        """The resolved declaration."""
        return node_of(self.declared)

    @cached_property
    def _decode(self) -> Decode:
        return DecodeWriter(codec).function(self.node, self.name)

    @cached_property
    def _encode(self) -> Encode:
        return EncodeWriter(codec).function(self.node, self.name)

    @property
    def source(self) -> str:
        """The compiled Python, for reading."""
        made: tuple[Any, ...] = (self._encode, self._decode)
        return "\n".join(function.__xdr_source__ for function in made)

    def encode(self, value: T) -> bytes:
        """The value's bytes.

        Raises:
            XdrError: the value is not of the type, or beyond a limit; the path names the field.
        """
        pieces: list[bytes] = []
        try:
            self._encode(value, pieces)
            return b"".join(pieces)
        except RecursionError:
            raise XdrError(self.name, None, TOO_DEEP) from None
        except (_struct.error, OverflowError, TypeError, AttributeError) as error:
            found = misfit(self.node, value, self.name)
            raise found or XdrError(self.name, None, str(error)) from None

    def encode_onto(self, out: bytearray, value: T) -> bytearray:
        """Append the value's bytes to ``out``; nothing after an error."""
        out += self.encode(value)
        return out

    def decode(self, data: bytes) -> T:
        """The value that ``data`` is, to its last byte.

        Raises:
            XdrError: with the path and the byte; bytes left over are an error too.
        """
        value, end = self.decode_from(data, 0)
        if end != len(data):
            raise XdrError(self.name, end, f"{len(data) - end} bytes left over")
        return value

    def decode_from(self, data: bytes, offset: int = 0) -> tuple[T, int]:
        """The value that starts at ``offset``, and the offset behind it."""
        try:
            return self._decode(data, offset, len(data))
        except RecursionError:
            raise XdrError(self.name, offset, TOO_DEEP) from None

    def decode_nested(self, data: bytes, i: int, end: int, path: str) -> tuple[T, int]:
        """For compiled code: a value within one of its own type, found at ``path``."""
        try:
            return self._decode(data, i, end)
        except XdrError as error:
            raise XdrError(_under(path, error.path), error.offset, error.reason) from None

    def encode_nested(self, value: T, out: list[bytes], path: str) -> None:
        """For compiled code: the same in the other direction."""
        try:
            self._encode(value, out)
        except XdrError as error:
            raise XdrError(_under(path, error.path), None, error.reason) from None


_codecs: dict[Any, Codec[Any]] = {}


@overload
def codec(declared: type[T]) -> Codec[T]: ...
@overload
def codec(declared: object) -> Codec[Any]: ...
def codec(declared: Any) -> Codec[Any]:
    """The codec of a declared type; the same object each time."""
    found = _codecs.get(declared)
    if found is None:
        found = _codecs[declared] = Codec(declared)
    return found


def encode(declared: Any, value: Any) -> bytes:
    """``codec(declared).encode(value)``."""
    return codec(declared).encode(value)


@overload
def decode(declared: type[T], data: bytes) -> T: ...
@overload
def decode(declared: object, data: bytes) -> Any: ...
def decode(declared: Any, data: bytes) -> Any:
    """``codec(declared).decode(data)``."""
    return codec(declared).decode(data)


def _name(declared: Any) -> str:
    """The first word of an error's path: the name of the type, or of a list's element."""
    if declared is None:
        return "void"
    if isinstance(declared, type):
        return declared.__name__
    if get_origin(declared) is not Annotated:
        return _name(get_args(declared)[0]) if get_args(declared) else repr(declared)
    base, *markers = get_args(declared)
    if markers and hasattr(markers[0], "name"):
        return str(markers[0].name)
    return _name(get_args(base)[0]) if get_args(base) else "opaque"


def _under(path: str, inner: str) -> str:
    """The path of a value below ``path``, which replaces the first word of ``inner``."""
    cut = min((at for at in (inner.find("."), inner.find("[")) if at >= 0), default=len(inner))
    return path + inner[cut:]
