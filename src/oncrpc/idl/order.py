"""In which order Python can read the declarations: what is used at once comes first.

Annotations are read when a codec is made, so structures may use what follows them. Aliases and the
arms of unions are read at once. Where these run in a circle, an arm is written as a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from oncrpc.idl import model


def references(kind: model.Type | None) -> Iterator[str]:
    """The names that the text of a type has."""
    match kind:
        case model.Reference(name):
            yield name
        case model.Items(element=element) | model.Optional(element):
            yield from references(element)
        case model.Linked(element) | model.Rest(element):
            yield from references(element)


def ordered(types: Sequence[model.Declared]) -> list[model.Declared]:
    """The declarations in the order of the file, save those that are needed earlier."""
    by_name = {declared.name: declared for declared in types}
    placed: dict[str, model.Declared] = {}
    for declared in types:
        _place(declared, by_name, placed, ())
    return list(placed.values())


def _place(
    declared: model.Declared,
    by_name: Mapping[str, model.Declared],
    placed: dict[str, model.Declared],
    above: tuple[str, ...],
) -> None:
    if declared.name in placed or declared.name in above:
        return
    for name in needed(declared):
        if name in by_name:
            _place(by_name[name], by_name, placed, (*above, declared.name))
    placed[declared.name] = declared


def needed(declared: model.Declared) -> Iterator[str]:
    """What must be declared above."""
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
    placed: dict[str, model.Constant] = {}

    def place(constant: model.Constant) -> None:
        for word in constant.text.split():
            if word in by_name and word not in placed:
                place(by_name[word])
        placed.setdefault(constant.name, constant)

    for constant in constants:
        place(constant)
    return list(placed.values())
