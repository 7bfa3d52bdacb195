"""xdrc: compile an interface file (.x) to a Python module."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oncrpc.cli import command
from oncrpc.cli.command import COMMON, OPERAND, WRONG, Done, Failure, Option, described, version_of
from oncrpc.errors import IdlError
from oncrpc.idl import Settings, compile_text, interface_of, read
from oncrpc.idl.model import plain

PROGRAM = "xdrc"
USAGE = f"Usage: {PROGRAM} [-o FILE] [--check | --json] [-I DIR] [-D NAME[=VALUE]] FILE.x..."
OPTIONS = (
    Option("output", "o", "FILE", "write there, or into that directory; by default to stdout"),
    Option("check", "c", "", "write nothing; fail if the output is not what it would be now"),
    Option("json", "j", "", "write the resolved tree as JSON"),
    Option("include", "I", "DIR", "look for included files there too"),
    Option("define", "D", "NAME[=VALUE]", "define a name for the preprocessor"),
    *COMMON,
)
HELP = f"""{USAGE}

Compile ONC RPC interfaces (RFC 4506, RFC 5531), as rpcgen reads them, to Python modules.

{described(OPTIONS)}"""


@dataclass(slots=True)
class Order:
    """What the command line asks for."""

    output: str = ""
    check: bool = False
    json: bool = False
    settings: Settings = field(default_factory=Settings)
    inputs: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    return command.run(PROGRAM, lambda: _compile(_order(words)))


def _order(words: Sequence[str]) -> Order:
    order = Order()
    for name, value in command.scan(PROGRAM, OPTIONS, words):
        if name == "help":
            raise Done(HELP)
        if name == "version":
            raise Done(version_of(PROGRAM))
        _take(order, name, value)
    several = len(order.inputs) > 1 and not (order.json or _is_folder(order.output))
    if not order.inputs or (order.check and not order.output) or (order.check and order.json):
        raise Failure(USAGE)
    if several:
        raise Failure(f"{PROGRAM}: several files need a directory for -o")
    return order


def _take(order: Order, name: str, value: str) -> None:
    if name == OPERAND:
        order.inputs.append(value)
    elif name == WRONG:
        raise Failure(USAGE)
    elif name == "include":
        order.settings.include.append(value)
    elif name == "define":
        word, equals, text = value.partition("=")
        order.settings.define[word] = text if equals else "1"
    elif name == "output":
        order.output = value
    else:
        setattr(order, name, True)


def _compile(order: Order) -> int:
    try:
        texts = {name: _read(name) for name in order.inputs}
        if order.json:
            _write(order.output, _trees(texts, order.settings))
            return 0
        made = [
            (_target(order.output, name), compile_text(text, name, settings=order.settings))
            for name, text in texts.items()
        ]
    except (IdlError, OSError) as error:
        raise Failure(_shown(error)) from None
    if order.check:
        return _check(made)
    try:
        for target, text in made:
            _write(target, text)
    except OSError as error:
        raise Failure(_shown(error)) from None
    return 0


def _read(name: str) -> str:
    return sys.stdin.read() if name == "-" else read(Path(name))


def _trees(texts: dict[str, str], settings: Settings) -> str:
    trees: list[Any] = [
        plain(interface_of(text, name, settings=settings)) for name, text in texts.items()
    ]
    return json.dumps(trees if len(trees) > 1 else trees[0], indent=2) + "\n"


def _check(made: list[tuple[str, str]]) -> int:
    status = 0
    for target, text in made:
        path = Path(target)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            command.complain(f"{PROGRAM}: {target} is stale")
            status = 1
    return status


def _write(target: str, text: str) -> None:
    if target:
        Path(target).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


def _target(output: str, name: str) -> str:
    """The file that a module is written to; "" for standard output."""
    if not _is_folder(output):
        return output
    return str(Path(output) / (Path(name).stem.replace("-", "_") + ".py"))


def _is_folder(output: str) -> bool:
    return bool(output) and (output.endswith("/") or Path(output).is_dir())


def _shown(error: IdlError | OSError) -> str:
    if isinstance(error, IdlError):
        return str(error)
    return f"{PROGRAM}: {error.filename}: {error.strerror}"


if __name__ == "__main__":
    sys.exit(main())
