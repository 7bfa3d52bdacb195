"""What is described of a procedure, derived from its declaration.

``declared.py`` is made from it for the programs of this package. Others are those of an interface
file.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import Any

from oncrpc.rpc.program import AnyProcedure
from oncrpc.snoop.words.programs import DescribedProcedure, StatusPlan, unix_plan
from oncrpc.xdr import OpenEnumeration, codec
from oncrpc.xdr.nodes import BytesNode, EnumNode, Node, ScalarNode, StructNode, UnionNode

UNIX_STATUS = "status"
"""The name of a status that is a number of Unix."""

MAX_PLANS = 1024
"""Procedures of which it is remembered where their status is."""


@lru_cache(MAX_PLANS)
def described(procedure: AnyProcedure) -> DescribedProcedure:
    """The description of a procedure.

    Cache: descriptions by procedure, at most ``MAX_PLANS`` of them, those used last.
    """
    plan = None if procedure.result is None else _plan(codec(procedure.result).node, ())
    return DescribedProcedure(procedure.name, plan)


def _plan_of_enumeration(members: type[enum.IntEnum], before: tuple[int | None, ...]) -> StatusPlan:
    names = {each.value: str(each) for each in members}
    return StatusPlan(before, members.__name__, names, issubclass(members, OpenEnumeration))


def _plan(node: Node, before: tuple[int | None, ...]) -> StatusPlan | None:
    match node:
        case EnumNode(cls=cls):
            return _plan_of_enumeration(cls, before)
        case UnionNode(switch=(name, switch)):
            return _plan_of_switch(name, switch, before)
        case StructNode(fields=fields):
            return _plan_of_fields(fields, before)
    return None


def _plan_of_switch(name: str, switch: Any, before: tuple[int | None, ...]) -> StatusPlan | None:
    if isinstance(switch, ScalarNode) and name == UNIX_STATUS:
        return unix_plan(before)
    return _plan(switch, before)


def _plan_of_fields(
    fields: list[tuple[str, Node]], before: tuple[int | None, ...]
) -> StatusPlan | None:
    """The status is the first field, or behind a cookie."""
    for _, node in fields:
        found = _plan(node, before)
        if found is not None:
            return found
        if not isinstance(node, BytesNode):
            return None
        before = (*before, node.least if node.fixed else None)
    return None
