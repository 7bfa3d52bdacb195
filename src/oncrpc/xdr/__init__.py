"""External Data Representation (RFC 4506): declared types and the codecs compiled from them."""

from oncrpc.xdr.codec import Codec, codec, decode, encode
from oncrpc.xdr.types import (
    UNLIMITED,
    Bool,
    Double,
    Enumeration,
    Float,
    Hyper,
    Int,
    Opaque,
    OpenEnumeration,
    String,
    UHyper,
    UInt,
    array,
    fixed,
    linked,
    opaque,
    rest,
    string,
    struct,
    union,
    vector,
)

__all__ = [
    "UNLIMITED", "Bool", "Codec", "Double", "Enumeration", "Float", "Hyper", "Int", "Opaque",
    "OpenEnumeration", "String", "UHyper", "UInt", "array", "codec", "decode", "encode", "fixed",
    "linked", "opaque", "rest", "string", "struct", "union", "vector",
]  # fmt: skip
