"""What every command-line tool does alike: options as GNU getopt reads them, and how it ends.

The scanner is written here because argparse costs more time than the call that the command makes,
and because scripts know the messages of getopt(3): they are the same to the letter.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import oncrpc

BROKEN_PIPE = 141
INTERRUPTED = 130
"""What a shell reports of a command that SIGPIPE or SIGINT ended."""

NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
"""What opening a file or a socket meets, and writing never."""

OPERAND = ""
WRONG = "?"
"""What ``scan`` yields in place of an option's name."""

LONGEST = 256
"""Bytes, or characters, of a server's string that are shown."""

_STANDARD_FILES = (
    ("stdin", "r", os.O_WRONLY),
    ("stdout", "w", os.O_RDONLY),
    ("stderr", "w", os.O_WRONLY),
)
"""How each is opened by Python, and by us where it was closed."""

_SHOWN = [chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in range(256)]


class Option(NamedTuple):
    """An option: its long name, its letter or "", its argument's name or "", and what it does.

    An argument whose name is in brackets may be left out; it is what follows ``=``.
    """

    name: str
    letter: str
    argument: str
    help: str


class Failure(Exception):
    """Ends the command with status 1; the message, if any, goes to standard error."""


class Done(Exception):
    """Ends the command with status 0 after its text was written to standard output."""


COMMON = (
    Option("help", "", "", "print this help"),
    Option("version", "V", "", "print the version"),
)
"""The options that every tool has."""


def run(program: str, body: Callable[[], int]) -> int:
    """Run a command and return its exit status: no traceback for Ctrl-C or a reader that left.

    An ``OSError`` that leaves ``body`` means that standard output could not be written, unless it
    is one of those that opening something meets.
    """
    _open_standard_files()
    try:
        status = _status(body)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return BROKEN_PIPE
    except OSError as error:
        complain(f"{program}: {_reason(error)}")
        _discard_output()
        return 1
    return status


def _reason(error: OSError) -> str:
    if error.errno in NO_DESCRIPTORS:
        return f"{os.strerror(error.errno)}; see 'ulimit -n'"
    return f"cannot write: {error.strerror}"


def _open_standard_files() -> None:
    """In place of a standard file that is closed, open one that fails if it is used.

    Else a socket would get its number. Messages that nobody is to see are no failure.
    """
    for name, mode, opened in _STANDARD_FILES:
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, opened)
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115


def _discard_output() -> None:
    """Let what is still to be written go nowhere: Python tries again when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:  # no descriptor left: what can be written is
        with suppress(OSError):
            sys.stdout.flush()


def _status(body: Callable[[], int]) -> int:
    try:
        return body()
    except Failure as failure:
        sys.stdout.flush()
        if str(failure):
            complain(str(failure))
        return 1
    except Done as done:
        print(done)
        return 0


def complain(message: str) -> None:
    """Write a line to standard error; if that cannot be, there is nobody to tell."""
    with suppress(OSError):
        print(message, file=sys.stderr, flush=True)


def scan(
    program: str, options: Sequence[Option], arguments: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Options and operands in turn: name and argument, ``OPERAND`` and word, or ``WRONG``.

    What is wrong has been reported on standard error. Operands may stand before options, unless
    ``POSIXLY_CORRECT`` is set.
    """
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            break
        if word.startswith("--"):
            yield _long(program, options, word[2:], rest)
        elif word.startswith("-") and word != "-":
            yield from _short(program, options, word[1:], rest)
        else:
            yield OPERAND, word
            if "POSIXLY_CORRECT" in os.environ:
                break
    for word in rest:
        yield OPERAND, word


def _short(
    program: str, options: Sequence[Option], letters: str, rest: list[str]
) -> Iterator[tuple[str, str]]:
    """A word of letters; what follows one that takes an argument is the argument."""
    while letters:
        letter, letters = letters[0], letters[1:]
        option = next((each for each in options if each.letter == letter), None)
        if option is None:
            yield _wrong(f"{program}: invalid option -- '{letter}'")
        elif not option.argument:
            yield option.name, ""
        elif letters or rest:
            yield option.name, letters or rest.pop(0)
            return
        else:
            yield _wrong(f"{program}: option requires an argument -- '{letter}'")


def _long(program: str, options: Sequence[Option], text: str, rest: list[str]) -> tuple[str, str]:
    """A long option, or the beginning of only one; its argument after ``=`` or the next word."""
    name, equals, argument = text.partition("=")
    found = [each for each in options if each.name.startswith(name)]
    exact = [each for each in found if each.name == name]
    if not found:
        return _wrong(f"{program}: unrecognized option '--{text}'")
    if len(found) > 1 and not exact:
        choices = " ".join(f"'--{each.name}'" for each in found)
        return _wrong(f"{program}: option '--{text}' is ambiguous; possibilities: {choices}")
    option = (exact or found)[0]
    if not option.argument:
        if equals:
            return _wrong(f"{program}: option '--{option.name}' doesn't allow an argument")
        return option.name, ""
    if not equals and option.argument.startswith("["):
        return option.name, ""
    if not equals and not rest:
        return _wrong(f"{program}: option '--{option.name}' requires an argument")
    return option.name, argument if equals else rest.pop(0)


def _wrong(message: str) -> tuple[str, str]:
    complain(message)
    return WRONG, ""


def described(options: Sequence[Option]) -> str:
    """The options as a help shows them, a line each."""
    return "\n".join(f"  {_spelt(option):<28} {option.help}" for option in options)


def _spelt(option: Option) -> str:
    letter = f"-{option.letter}, " if option.letter else "    "
    argument = f"={option.argument}" if option.argument else ""
    return f"{letter}--{option.name}" + argument.replace("=[", "[=")


def version_of(program: str) -> str:
    """What ``--version`` prints."""
    return f"{program} (oncrpc) {oncrpc.__version__}"


def integer(text: str) -> int | None:
    """A decimal number as strtol(3) reads it, white space and sign before it; else None."""
    digits = text.lstrip(" \t\n\v\f\r")
    sign = digits[:1] if digits[:1] in ("+", "-") else ""
    digits = digits[len(sign) :]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 20:
        return None
    return -int(digits) if sign == "-" else int(digits)


def printable(text: bytes) -> str:
    r"""A string of a server's for a terminal: control and other than ASCII bytes as ``\xNN``.

    Of a string longer than ``LONGEST`` bytes the rest is ``...``.
    """
    shown = "".join(_SHOWN[byte] for byte in text[:LONGEST])
    return shown + "..." if len(text) > LONGEST else shown


def safe_text(text: str) -> str:
    """Text from a daemon for a terminal: what cannot be printed as an escape, and not too long."""
    cut = text[:LONGEST] + ("..." if len(text) > LONGEST else "")
    if cut.isprintable():
        return cut
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in cut)
