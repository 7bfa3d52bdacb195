"""xdrc: compile an interface file (.x) to a Python module."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import ENOENT
from os import strerror
from pathlib import Path
from typing import Any

from oncrpc.cli import command
from oncrpc.cli.command import (
    COMMON,
    OPERAND,
    WRONG,
    Done,
    Failure,
    Option,
    UsageError,
    described,
    version_of,
)
from oncrpc.errors import IdlError
from oncrpc.idl import CompileOptions, compile_text, interface_of, read_interface
from oncrpc.idl.model import plain

PROGRAM = "xdrc"
USAGE = f"""\
Usage: {PROGRAM} [-o FILE] [--check | --json] [-I DIR] [-D NAME[=VALUE]]
            [--import NAME=MODULE] FILE.x..."""
OPTIONS = (
    Option("output", "o", "FILE", "write there, or into that directory; by default to stdout"),
    Option("check", "c", "", "write nothing; fail if the output is missing or stale"),
    Option("json", "j", "", "write the resolved tree as JSON"),
    Option("include", "I", "DIR", "look for included files there too"),
    Option("define", "D", "NAME[=VALUE]", "define a name for the preprocessor"),
    Option("import", "", "NAME=MODULE", "import the declarations of an included NAME.x from there"),
    *COMMON,
)
HELP = f"""{USAGE}

Compile ONC RPC interfaces (RFC 4506, RFC 5531), as rpcgen reads them, to Python modules.

{described(OPTIONS)}"""


@dataclass(slots=True)
class Order:
    """The options and operands of the command line."""

    output: str = ""
    check: bool = False
    json: bool = False
    settings: CompileOptions = field(default_factory=CompileOptions)
    inputs: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    return command.run(PROGRAM, lambda: _compile(_order(words)))


def _order(words: Sequence[str]) -> Order:
    order = Order()
    for name, value in command.read_options(PROGRAM, OPTIONS, words):
        if name == "help":
            raise Done(HELP)
        if name == "version":
            raise Done(version_of(PROGRAM))
        _take(order, name, value)
    several = len(order.inputs) > 1 and not (order.json or _is_folder(order.output))
    if not order.inputs:
        raise UsageError(USAGE)
    if order.check and (order.json or not order.output):
        reason = "does not go with --json" if order.json else "needs -o"
        raise UsageError(f"{PROGRAM}: --check {reason}\n{USAGE}")
    if several:
        raise UsageError(f"{PROGRAM}: several files need a directory for -o")
    return order


def _take(order: Order, name: str, value: str) -> None:
    if name == OPERAND:
        order.inputs.append(value)
    elif name == WRONG:
        raise UsageError(USAGE)
    elif name == "include":
        order.settings.include.append(value)
    elif name == "import":
        interface, _, module = value.partition("=")
        order.settings.imports[interface.removesuffix(".x")] = _module(module)
    elif name == "define":
        word, equals, text = value.partition("=")
        order.settings.define[_name(word)] = _value(text) if equals else "1"
    elif name == "output":
        order.output = value
    else:
        setattr(order, name, True)


def _name(word: str) -> str:
    if not (word.isascii() and word.isidentifier()):
        raise UsageError(f"{PROGRAM}: invalid name {word!r} for -D: must be an identifier of C")
    return word


def _module(name: str) -> str:
    """A module's name becomes a part of the text."""
    if not all(map(str.isidentifier, name.lstrip(".").split("."))):
        raise UsageError(f"{PROGRAM}: invalid module {name!r} for --import: write NAME=MODULE")
    return name


def _value(text: str) -> str:
    """A value becomes a line of the text, so it must not contain a line break."""
    if not text.isprintable():
        raise UsageError(f"{PROGRAM}: invalid value {text!r} for -D: must be printable characters")
    return text


def _compile(order: Order) -> int:
    texts = {name: _read(name) for name in order.inputs}
    try:
        with _named("cpp"):
            made = _made(texts, order)
    except IdlError as error:
        raise Failure(str(error)) from None
    if order.check:
        return _check(made)
    for target, text in made:
        _write(target, text)
    return 0


def _made(texts: dict[str, str], order: Order) -> list[tuple[str, str]]:
    """The outputs: file names and texts."""
    if order.json:
        return [(order.output, _trees(texts, order.settings))]
    return [
        (_target(order.output, name), compile_text(text, name, settings=order.settings))
        for name, text in texts.items()
    ]


def _read(name: str) -> str:
    with _named(name if name != "-" else "standard input"):
        return sys.stdin.read() if name == "-" else read_interface(Path(name))


def _trees(texts: dict[str, str], settings: CompileOptions) -> str:
    trees: list[Any] = [
        plain(interface_of(text, name, settings=settings)) for name, text in texts.items()
    ]
    return json.dumps(trees if len(trees) > 1 else trees[0], indent=2) + "\n"


def _check(made: list[tuple[str, str]]) -> int:
    status = 0
    for target, text in made:
        path = Path(target)
        with _named(target):
            stale = not path.is_file() or path.read_bytes() != text.encode()
        if stale:
            command.complain(f"{PROGRAM}: {target} is stale")
            status = 1
    return status


def _write(target: str, text: str) -> None:
    """Write to a file, or to standard output, whose failures ``command.run`` reports."""
    if not target:
        sys.stdout.write(text)
        return
    path = Path(target)
    with _named(target):
        if not path.parent.is_dir():
            raise FileNotFoundError(ENOENT, strerror(ENOENT), str(path.parent))
        path.write_text(text, encoding="utf-8")


@contextmanager
def _named(file: str) -> Iterator[None]:
    """End the command if the file cannot be read or written, with its name.

    A name in the error comes first: it may be that of a program.
    """
    try:
        yield
    except OSError as error:
        raise Failure(f"{PROGRAM}: {error.filename or file}: {error.strerror}") from None


def _target(output: str, name: str) -> str:
    """The file that a module is written to; "" for standard output."""
    if not _is_folder(output):
        return output
    return str(Path(output) / (Path(name).stem.replace("-", "_") + ".py"))


def _is_folder(output: str) -> bool:
    return bool(output) and (output.endswith("/") or Path(output).is_dir())


if __name__ == "__main__":
    sys.exit(main())
