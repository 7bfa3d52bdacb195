"""Every declared wire type, and Hypothesis strategies over all of them."""

from __future__ import annotations

from typing import Annotated, Any, get_origin

from hypothesis import strategies as st

from oncrpc.programs import portmap, rpcb
from oncrpc.rpc import Version, prot
from oncrpc.testing import values_of
from oncrpc.xdr import encode
from support import sample_types


def _of_module(module: Any) -> list[Any]:
    return [
        found
        for found in vars(module).values()
        if getattr(found, "__module__", None) == module.__name__
        and (hasattr(found, "__xdr_fields__") or hasattr(found, "__members__"))
    ]


def _of_procedures(version: type[Version]) -> list[Any]:
    procedures = version.procedures.values()
    return [each for p in procedures for each in (*p.arguments, p.result)]


DECLARED = [
    *sample_types.TYPES,
    *_of_module(prot),
    *_of_module(portmap),
    *_of_module(rpcb),
    *(alias for alias in vars(rpcb).values() if get_origin(alias) is Annotated),
    *_of_procedures(portmap.PMAP_VERS),
    *_of_procedures(rpcb.RPCBVERS),
    *_of_procedures(rpcb.RPCBVERS4),
]
DISTINCT = list({str(declared): declared for declared in DECLARED}.values())

typed_values = st.one_of(
    [st.tuples(st.just(declared), values_of(declared)) for declared in DISTINCT]
)
"""A declared type and a value of it."""

typed_bytes = typed_values.map(lambda typed: (typed[0], encode(*typed)))
"""A declared type and the bytes of a value."""


@st.composite
def spoiled_bytes(draw: st.DrawFn) -> tuple[Any, bytes]:
    """A declared type and bytes that are nearly a value: cut, overwritten, or with bytes put in."""
    declared, wire = draw(typed_bytes)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(wire)))
        keep = draw(st.sampled_from([at, at + 1, at + 4, len(wire)]))
        put = draw(st.sampled_from(TELLING) | st.binary(max_size=8))
        wire = wire[:at] + put + wire[keep:]
    return declared, wire


TELLING = [
    b"", b"\0", b"\1", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\0",
    b"\0\0\0\1", b"\0\0\0\2",
]  # fmt: skip
