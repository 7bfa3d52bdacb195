"""Write the pages of the Python API in Markdown, from ``__all__``, signatures and docstrings.

The pages can be read in the repository as they are; nothing has to be built.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import re
import textwrap
import typing
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from limits_page import SOURCE, described

PAGES: dict[str, tuple[str, ...]] = {
    "oncrpc": ("Server", "Destination", "Heard", "Carried"),
    "oncrpc.rpcbind": ("Dial", "OpenLink", "MapperAddress", "MapperName"),
    "oncrpc.sync": ("ClientType",),
    "oncrpc.sync.rpcbind": ("Dial", "OpenLink", "MapperAddress", "MapperName"),
    "oncrpc.rpc": (
        "Dispatcher",
        "Auth",
        "opaque_auth",
        "auth_flavor",
        "auth_stat",
        "authsys_parms",
    ),
    "oncrpc.xdr": (),
    "oncrpc.nfs": (),
    "oncrpc.nfs.posix": (),
    "oncrpc.idl": (),
    "oncrpc.importer": (),
    "oncrpc.numbers": (),
    "oncrpc.errors": (),
    "oncrpc.testing": (),
}
"""The modules, and public names that are used through others and are not in ``__all__``."""

HOMES = {
    "Server": "oncrpc.aio.server",
    "Destination": "oncrpc.net.broadcast",
    "Heard": "oncrpc.aio.broadcast",
    "Carried": "oncrpc.aio.connections",
    "Dial": "oncrpc.client.port_mapper",
    "OpenLink": "oncrpc.client.port_mapper",
    "MapperAddress": "oncrpc.client.mapper_address",
    "ClientType": "oncrpc.rpc.program",
    "Auth": "oncrpc.rpc.auth",
    "Dispatcher": "oncrpc.rpc.dispatch",
    "opaque_auth": "oncrpc.rpc.prot",
    "auth_flavor": "oncrpc.rpc.prot",
    "auth_stat": "oncrpc.rpc.prot",
    "authsys_parms": "oncrpc.rpc.prot",
}
NOTE = "<!-- Made from the source by docs/make_reference.py; do not edit. -->"
LINE = 88
INVARIANTS = "Between two events: "
"""How a paragraph begins that is for readers of the source only."""

EXCEPTION = r"[A-Z]\w*[A-Z]\w+"
NEXT_ERROR = re.compile(rf"\. (?={EXCEPTION}(?:, {EXCEPTION})*(?::|\.?$))")
"""Where the text of an error ends and another error follows on the same line."""


def pages() -> Iterator[tuple[str, str]]:
    """The name of each page, and its text."""
    for name, more in PAGES.items():
        yield name, page(name, importlib.import_module(name), more)


def page(title: str, module: ModuleType, more: tuple[str, ...]) -> str:
    """The page of a module."""
    parts = [f"# {title}", NOTE, prose(inspect.getdoc(module))]
    for name in [*names_of(module), *more]:
        home = importlib.import_module(HOMES[name]) if name in HOMES else module
        found = getattr(home, name)
        if not isinstance(found, ModuleType):
            heading, first, *others = entry(name, found, module=home, level=2)
            place = f"Its module is `{home.__name__}`." if name in HOMES else ""
            parts += [heading, first, place, *others]
    return "\n\n".join(part for part in parts if part) + "\n"


def names_of(module: ModuleType) -> list[str]:
    """The public names: ``__all__``, or what the module defines."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, found in vars(module).items()
        if not name.startswith("_") and getattr(found, "__module__", "") == module.__name__
    ]


def entry(name: str, found: Any, *, module: ModuleType, level: int) -> Iterator[str]:
    """A heading, the signature, the docstring, and the members of a class."""
    title = f"{'#' * level} {name}"
    if inspect.isclass(found):
        yield title
        yield from class_entry(name, found, level=level)
    elif inspect.isroutine(found):
        yield title
        yield code(signature(name, found))
        renamed = found.__name__ != name
        yield prose(docstring_of(module.__name__, name) if renamed else inspect.getdoc(found))
    else:
        yield title
        yield alias(name, found)
        yield data_prose(module, name, found)


def class_entry(name: str, found: type, *, level: int) -> Iterator[str]:
    """The constructor, bases, attributes and methods of a class."""
    bases = [base.__name__ for base in found.__bases__ if base is not object]
    heading = f"class {signature(name, found)}" if made_by_callers(found) else f"class {name}"
    yield code(heading)
    if issubclass(found, BaseException) and bases:
        yield f"Base: `{', '.join(bases)}`."
    yield prose(for_callers(found) if "__doc__" in vars(found) else "")
    if issubclass(found, enum.Enum):
        yield "\n".join(f"- `{member.name}` = {member.value}" for member in found)
    yield fields(found)
    for key, member in vars(found).items():
        if not key.startswith("_") and key not in getattr(found, "_fields", ()):
            yield from member_entry(name, key, member, level=level + 1)


def for_callers(found: type) -> str:
    """The docstring of a class without its invariants, which name private attributes."""
    blocks = (inspect.getdoc(found) or "").split("\n\n")
    return "\n\n".join(block for block in blocks if not block.startswith(INVARIANTS))


def made_by_callers(found: type) -> bool:
    """Whether the arguments of the class are worth showing."""
    if getattr(found, "_is_protocol", False):
        return False
    return not issubclass(found, enum.Enum | BaseException) or "__init__" in vars(found)


def fields(found: type) -> str:
    """The fields of a class that are described one by one."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(found)))
    except (OSError, TypeError, SyntaxError):
        return ""
    body = tree.body[0]
    assert isinstance(body, ast.ClassDef)
    return "\n".join(f"- `{name}`: {text}" for name, text in described(body.body))


def member_entry(owner: str, key: str, member: Any, *, level: int) -> Iterator[str]:
    """A method or a property that has a docstring."""
    function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
    text = inspect.getdoc(function)
    if isinstance(member, property) and text:
        yield f"{'#' * level} {owner}.{key}"
        yield prose(text)
    elif inspect.isfunction(function) and text:
        yield f"{'#' * level} {owner}.{key}"
        yield code(signature(key, function))
        yield prose(text)


def signature(name: str, found: Any) -> str:
    """A definition as it would be written, on several lines where it is long."""
    try:
        known = inspect.signature(found)
    except (TypeError, ValueError):
        return name
    kept = [p for p in known.parameters.values() if p.name not in ("self", "cls")]
    known = known.replace(parameters=kept)
    start = beginning(found)
    text = readable(f"{start}{name}{known}")
    if len(text) <= LINE:
        return text
    arguments = [readable(str(inspect.Signature([p]))[1:-1]) for p in kept]
    marked = list(separators(kept, arguments))
    back = readable(str(inspect.Signature([], return_annotation=known.return_annotation))[2:])
    return f"{start}{name}(\n    " + ",\n    ".join(marked) + f",\n){back}"


def beginning(found: Any) -> str:
    """The words before a name: how a function is called."""
    if inspect.iscoroutinefunction(found):
        return "await "
    managed = inspect.unwrap(found) if hasattr(found, "__wrapped__") else None
    if inspect.isasyncgenfunction(managed):
        return "async with "
    if inspect.isgeneratorfunction(managed):
        return "with "
    return "async for ... in " if inspect.isasyncgenfunction(found) else ""


def separators(parameters: list[inspect.Parameter], arguments: list[str]) -> Iterator[str]:
    """The arguments, with the ``*`` that precedes those that are named."""
    starred = False
    for parameter, argument in zip(parameters, arguments, strict=True):
        if parameter.kind is parameter.VAR_POSITIONAL:
            starred = True
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        yield argument.removeprefix("*, ")


def readable(text: str) -> str:
    """Without quotes of annotations, marks of type variables, addresses, paths of modules."""
    text = re.sub(r"ForwardRef\('([^']*)'\)", r"\1", text)
    text = re.sub(r"~(?=\w)", "", text)
    text = re.sub(r"<(?:function|class|object) '?([\w.]+)'?[^>]*>", r"\1", text)
    text = re.sub(r"<([\w.]+) object at 0x[0-9a-f]+>", r"\1(...)", text)
    text = re.sub(r"<(\w+)\.(\w+): [^>]+>", r"\1.\2", text)
    text = re.sub(r"(?<=[:\[>] )'([^']*)'", r"\1", text)
    return re.sub(r"\b(?:oncrpc|collections|typing)\.(?:[a-z_]+\.)*(?=[A-Za-z])", "", text)


def alias(name: str, value: Any) -> str:
    """The definition of a name for a type, but not of the types of XDR: their text says more."""
    origin = typing.get_origin(value)
    if origin is None or origin is typing.Annotated:
        return ""
    return code(f"{name} = {readable(str(value))}")


def data_prose(module: ModuleType, name: str, value: Any) -> str:
    """The docstring of a constant, from the module that defines it."""
    text = docstring_of(module.__name__, name)
    if isinstance(value, int | float | str | bytes):
        text = f"`{value!r}`. {text}"
    return prose(text)


def docstring_of(module: str, name: str) -> str:
    """The docstring below an assignment; imports are followed."""
    path = SOURCE / path_of(module)
    tree = ast.parse(path.read_text())
    texts = dict(described(tree.body))
    if name in texts:
        return texts[name]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("oncrpc"):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return docstring_of(str(node.module), alias.name)
    return ""


def path_of(module: str) -> str:
    """The file of a module, below the source."""
    path = module.replace(".", "/")
    return f"{path}/__init__.py" if (SOURCE / path).is_dir() else f"{path}.py"


def code(text: str) -> str:
    """A block of Python."""
    language = "text" if "──" in text else "python"
    return f"```{language}\n{text}\n```"


def prose(text: str | None) -> str:
    """A docstring as Markdown."""
    blocks = (block_of(block) for block in (text or "").split("\n\n") if block.strip())
    return "\n\n".join(block for block in blocks if block)


def block_of(block: str) -> str:
    """A paragraph, a block of code, or the list of what is raised."""
    lines = block.splitlines()
    if lines[0] == "Raises:":
        return raises(lines[1:])
    if all(line.startswith("    ") or not line for line in lines) or lines[0].startswith(">>>"):
        return code(textwrap.dedent(block))
    if block == "::":
        return ""
    text = re.sub(r":(?:class|func|meth|mod):`([^`]*)`", r"`\1`", block)
    text = text.replace("``", "`")
    return text.removesuffix(":") if text.endswith("::") else text


def raises(lines: list[str]) -> str:
    """The errors, an item each."""
    text = "\n".join(line[4:] for line in lines)
    items = re.findall(r"^(\w[\w., ]*): (.*(?:\n .*)*)", text, re.MULTILINE)
    listed = (
        error.replace("``", "`")
        for name, why in items
        for error in errors(f"{name}: {' '.join(why.split())}")
    )
    return "Raises:\n\n" + "\n".join(listed)


def errors(text: str) -> Iterator[str]:
    """An item for each error of a line; those that need no explanation share one."""
    *first, last = NEXT_ERROR.split(text)
    for part in [*(f"{each}." for each in first), last]:
        names, colon, why = part.partition(": ")
        listed = ", ".join(f"`{name}`" for name in names.removesuffix(".").split(", "))
        yield f"- {listed}{colon}{why}"
