"""A sample type for every construct of RFC 4506 §4, and for their nesting."""

from __future__ import annotations

import enum
from typing import Annotated

from oncrpc import xdr
from oncrpc.xdr import Bool, Double, Float, Hyper, Int, Opaque, String, UHyper, UInt


class colour(enum.IntEnum):
    RED = -2
    GREEN = 3
    BLUE = 0x7FFFFFFF


class flavor(xdr.OpenEnumeration):
    SWEET = 0
    SOUR = 1


@xdr.struct
class scalars:
    i: Int
    u: UInt
    h: Hyper
    uh: UHyper
    f: Float
    d: Double
    b: Bool
    c: colour
    r: flavor


@xdr.struct
class point:
    x: Int
    y: Int


@xdr.struct
class octets:
    none: Annotated[bytes, xdr.fixed(0)]
    one: Annotated[bytes, xdr.fixed(1)]
    four: Annotated[bytes, xdr.fixed(4)]
    limited: Annotated[bytes, xdr.opaque(5)]
    name: Annotated[bytes, xdr.string(7)]
    data: Opaque
    text: String


points = Annotated[list[point], xdr.array(3)]


@xdr.struct
class lists:
    three: Annotated[list[UInt], xdr.vector(3)]
    hypers: Annotated[list[Hyper], xdr.array(4)]
    flags: Annotated[list[Bool], xdr.array()]
    colours: Annotated[list[colour], xdr.array()]
    flavors: Annotated[list[flavor], xdr.vector(2)]
    places: points
    names: Annotated[list[String], xdr.vector(2)]
    table: Annotated[list[Annotated[list[Int], xdr.array()]], xdr.array()]
    chain: Annotated[list[point], xdr.linked]
    words: Annotated[list[String], xdr.linked]


@xdr.struct
class maybe:
    number: Int | None
    place: point | None
    names: Annotated[list[String], xdr.linked] | None


@xdr.union({colour.RED: Int, colour.GREEN: None})
class painted:
    shade: colour
    body: int | None


@xdr.union({1: point, 0xFFFFFFFF: String, 7: None}, default=Hyper)
class numbered:
    number: UInt
    body: point | bytes | int | None


@xdr.union({True: Int}, default=None)
class answered:
    yes: Bool
    body: int | None


@xdr.union({True: Int, False: String}, default=None)
class decided:
    """Its default has no discriminant left."""

    yes: Bool
    body: int | bytes | None


@xdr.union({flavor.SWEET: points, flavor.SOUR: point}, default=None)
class tasted:
    taste: flavor
    body: list[point] | point | None


@xdr.union({-1: Int}, default=None)
class signed:
    number: Int
    body: int | None


@xdr.struct
class nested:
    before: Int
    inner: numbered
    between: point
    deep: tasted
    after: Bool


@xdr.struct
class chain:
    """A list whose next is not the last field stays a structure with an optional in it."""

    next: chain | None
    value: Int


@xdr.struct
class link:
    """An element of a linked list."""

    value: Int
    next: Annotated[list[link] | None, xdr.rest] = None


@xdr.struct
class twig:
    """An element whose fields have lists of elements."""

    label: String
    twigs: Annotated[list[twig], xdr.linked]
    other: twig | None
    next: Annotated[list[twig] | None, xdr.rest] = None


@xdr.struct
class tree:
    value: UInt
    children: Annotated[list[tree], xdr.array(3)]


@xdr.struct
class thicket:
    value: UInt
    children: Annotated[list[thicket], xdr.linked]


@xdr.struct
class pair:
    left: expression
    right: expression


@xdr.union({0: Int, 1: pair}, default=None)
class expression:
    kind: UInt
    body: int | pair | None


@xdr.struct
class empty:
    pass


@xdr.struct
class holder:
    nothing: empty
    value: Int


TYPES = (
    scalars, point, octets, lists, maybe, painted, numbered, answered, decided, tasted, signed,
    nested, chain, link, twig, tree, thicket, pair, expression, empty, holder, colour, flavor,
    points, Int, UInt, Hyper, UHyper, Float, Double, Bool, Opaque, String, None,
    Annotated[bytes, xdr.fixed(3)], Annotated[bytes, xdr.opaque(2)],
    Annotated[list[point], xdr.linked], Annotated[list[link], xdr.linked],
    Annotated[list[twig], xdr.linked], Annotated[list[UInt], xdr.vector(2)], point | None,
)  # fmt: skip
