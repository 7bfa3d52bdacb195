"""The types of an interface in the byte matrix: our class and the C routine of each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from idl.test_interfaces import read
from oncrpc.idl import interface_of, model
from support.compiled import module_of


class Subject(NamedTuple):
    """``routine`` is the type whose C routine codes it; ``chained`` in a list of such."""

    name: str
    declared: Any
    routine: str
    chained: bool


@cache
def interface(path: str) -> model.Interface:
    """The resolved tree."""
    return interface_of(read(path), path)


@cache
def module(path: str) -> ModuleType:
    """Our module of the interface."""
    return module_of(read(path), path)


@cache
def subjects_of(path: str) -> Sequence[Subject]:
    """Every type, save the elements of chains, that are coded within one: the C type has ``next``.

    A chain that only we name is in C the optional pointer to its element.
    """
    types = interface(path).types
    elements = {_element(each) for each in types}
    return [_subject(path, each) for each in types if each.name not in elements]


def _element(declared: model.Declared) -> str | None:
    """The element of a chain."""
    match declared:
        case model.Alias(type=model.LinkedType(element=element)):
            return str(element.name)
    return None


def _subject(path: str, declared: model.Declared) -> Subject:
    name, element = str(declared.name), _element(declared)
    ours = getattr(module(path), name)
    return Subject(name, ours, element or name, chained=element is not None)
