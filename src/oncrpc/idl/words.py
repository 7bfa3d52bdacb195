"""C's words for types (RFC 4506 §4, and the headers that rpcgen's output includes)."""

from __future__ import annotations

INTEGERS = {
    "int": "Int", "unsigned": "UInt", "unsigned int": "UInt",
    "long": "Int", "long int": "Int", "unsigned long": "UInt", "unsigned long int": "UInt",
    "short": "Int", "short int": "Int", "unsigned short": "UInt", "unsigned short int": "UInt",
    "char": "Int", "unsigned char": "UInt",
    "hyper": "Hyper", "hyper int": "Hyper", "long long": "Hyper", "long long int": "Hyper",
    "unsigned hyper": "UHyper", "unsigned hyper int": "UHyper",
    "unsigned long long": "UHyper", "unsigned long long int": "UHyper",
}  # fmt: skip
"""Those of 16 and 8 bits take four bytes too (RFC 4506 §3)."""

OTHERS = {"bool": "Bool", "float": "Float", "double": "Double", "quadruple": "quadruple"}

C_TYPES = {
    "bool_t": "Bool", "u_int": "UInt", "u_long": "UInt", "u_short": "UInt", "u_char": "UInt",
    "int8_t": "Int", "int16_t": "Int", "int32_t": "Int", "int64_t": "Hyper",
    "uint8_t": "UInt", "uint16_t": "UInt", "uint32_t": "UInt", "uint64_t": "UHyper",
    "u_int8_t": "UInt", "u_int16_t": "UInt", "u_int32_t": "UInt", "u_int64_t": "UHyper",
    "quad_t": "Hyper", "u_quad_t": "UHyper", "longlong_t": "Hyper", "u_longlong_t": "UHyper",
    "u_hyper": "UHyper",
}  # fmt: skip
"""Types of the C headers; a file may declare them for itself."""

TYPE_WORDS = {*INTEGERS, *OTHERS, *C_TYPES}
