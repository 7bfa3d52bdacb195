"""Declaring a configuration: each key once, as a field of a ``Table``.

>>> class ClockTable(Table, frozen=True):
...     interval: Annotated[
...         int,
...         Meta(ge=1, le=60, description="Seconds between two looks at the clock."),
...         KeyOption("--interval", metavar="SECONDS", help="look this often"),
...     ] = 10

The file, the options, ``config show``, the manual pages and the shell completions are all made
from this. ``Meta.description`` is the text of the manual page, ``KeyOption.help`` that of
``--help``; ``{default}`` stands for the default in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Meta, Struct
from msgspec.structs import fields


class Table(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A table of a configuration file: keys have dashes, and unknown keys are errors."""


class HiddenKey:
    """The type of ``HIDDEN``."""


HIDDEN = HiddenKey()
"""Marks an inherited key that an application does not have: it is neither listed nor an option."""


class KeyOption:
    """How a key is given on the command line.

    ``const`` is the value that an option without an argument stands for: an optional argument if
    there is a ``metavar``, else no argument at all. Options of one ``group`` exclude each other.
    A number is 0 or at least ``least``. With ``split`` an argument is a list with commas. Without a
    dash in ``flags`` the key is given by the operands, which are called ``metavar``.
    """

    def __init__(
        self,
        *flags: str,
        help: str,
        metavar: str = "",
        const: str = "",
        group: str = "",
        least: int = 0,
        split: bool = False,
    ) -> None:
        self.flags, self.help = flags, help
        self.metavar, self.const, self.group, self.least = metavar, const, group, least
        self.split = split

    @property
    def operand(self) -> bool:
        """Whether the key is given by the operands."""
        return not self.flags[0].startswith("-")


class Declared(NamedTuple):
    """A key as declared. ``path`` is ``table.key``, or the key alone at the top of the file."""

    path: str
    kind: Any
    default: Any
    meta: Meta
    options: tuple[KeyOption, ...]

    @property
    def many(self) -> bool:
        """Whether the value is a list."""
        return get_origin(self.kind) is tuple

    @property
    def item(self) -> type:
        """The type of the value, or of an item of the list; ``None`` is left out."""
        kinds = [kind for kind in get_args(self.kind) if kind not in (type(None), Ellipsis)]
        return kinds[0] if kinds else self.kind  # type: ignore[no-any-return]  # of a type hint

    @property
    def description(self) -> str:
        """The text of the manual page."""
        return (self.meta.description or "").replace("{default}", str(self.default))


def declared(config: type[Struct], prefix: str = "") -> Iterator[Declared]:
    """Every key of a configuration, in the order of its declaration."""
    hints = get_type_hints(config, include_extras=True)
    for field in fields(config):
        hint = hints[field.name]
        kind, *extras = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        path = f"{prefix}{field.encode_name}"
        if HIDDEN in extras:
            continue
        if isinstance(kind, type) and issubclass(kind, Table):
            yield from declared(kind, f"{path}.")
            continue
        meta = next((each for each in extras if isinstance(each, Meta)), Meta())
        options = tuple(each for each in extras if isinstance(each, KeyOption))
        default = None if field.default is NODEFAULT else field.default
        yield Declared(path, kind, default, meta, options)


def tables_of(config: type[Struct]) -> dict[str, type[Struct]]:
    """The table at each place of the file: ``""`` for the file as a whole, ``daemon``, ``rule``."""
    found: dict[str, type[Struct]] = {"": config}
    for name, hint in get_type_hints(config).items():
        for kind in (hint, *get_args(hint)):
            if isinstance(kind, type) and issubclass(kind, Struct):
                found[name] = kind
    return found
