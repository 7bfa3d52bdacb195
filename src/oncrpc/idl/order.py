"""In which order Python can read the declarations: a name that is used at once is above.

Annotations are read when a codec is made, so structures may use what follows them. Aliases and the
arms of unions are read at once. Where these run in a circle, an arm is written as a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from oncrpc.idl import model
from oncrpc.idl.walk import postorder

WORD = re.compile(r"[A-Za-z_]\w*")


def references(kind: model.Type | None) -> Iterator[str]:
    """The names that the text of a type has."""
    match kind:
        case model.Reference(name):
            yield name
        case model.ItemsType(element=element) | model.Optional(element):
            yield from references(element)
        case model.LinkedType(element) | model.RestType(element):
            yield from references(element)


def ordered(types: Sequence[model.Declared]) -> list[model.Declared]:
    """The declarations in the order of the file, except for those that are needed earlier."""
    by_name = {declared.name: declared for declared in types}
    return list(
        postorder(types, lambda made: [by_name[name] for name in needed(made) if name in by_name])
    )


def needed(declared: model.Declared) -> Iterator[str]:
    """The names that must be declared above."""
    match declared:
        case model.Alias(type=kind):
            yield from references(kind)
        case model.Union(switch=switch, cases=cases, default=default):
            yield from (case.text.split(".")[0] for case in cases)
            yield from references(switch.type)
            for arm in (*(case.type for case in cases), *default):
                yield from references(arm)


def ordered_constants(constants: Sequence[model.Constant]) -> list[model.Constant]:
    """Each constant below those that its value names."""
    by_name = {constant.name: constant for constant in constants}
    return list(
        postorder(
            constants,
            lambda made: [by_name[word] for word in WORD.findall(made.text) if word in by_name],
        )
    )
