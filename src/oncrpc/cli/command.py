"""Common parts of the command-line tools: options as GNU getopt reads them, and exit statuses.

Options are read here, because argparse takes longer than the call that a command makes, and because
scripts know the messages of getopt(3), which are the same to the letter.
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
"""The statuses that a shell reports for a command that SIGPIPE or SIGINT ended."""

NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
"""Errors of opening a file or a socket, but never of writing."""

OPERAND = ""
WRONG = "?"
"""Yielded by ``read_options`` in place of an option's name."""

LONGEST = 256
"""Bytes, or characters, of a server's string that are shown."""

_STANDARD_FILES = (
    ("stdin", "r", os.O_WRONLY),
    ("stdout", "w", os.O_RDONLY),
    ("stderr", "w", os.O_WRONLY),
)
"""The mode of Python for each, and the flags with which a closed one is opened."""

_SHOWN = [chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in range(256)]


class Option(NamedTuple):
    """An option: its long name, its letter or "", its argument's name or "", and its help.

    An argument whose name is in brackets is optional; it is given after ``=``.
    """

    name: str
    letter: str
    argument: str
    help: str


class Failure(Exception):
    """Ends the command with ``status``; the message, if any, goes to standard error."""

    status = 1


class UsageError(Failure):
    """A command line that is wrong, for commands whose C tools set no other status."""

    status = 2


class Done(Exception):
    """Ends the command with status 0 after its text was written to standard output."""


COMMON = (
    Option("help", "", "", "print this help"),
    Option("version", "V", "", "print the version"),
)
"""The options that every tool has."""


def run(program: str, body: Callable[[], int]) -> int:
    """Run a command and return its exit status, without a traceback for Ctrl-C or a closed pipe.

    An ``OSError`` of ``body`` means that standard output could not be written, unless it is one of
    ``NO_DESCRIPTORS``.
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
    """Open a closed standard file, so that a socket does not get its number.

    Using one fails, but messages to a closed standard error are dropped.
    """
    for name, mode, opened in _STANDARD_FILES:
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, opened)
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115


def _discard_output() -> None:
    """Discard buffered output, which Python would try to write again when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:  # no descriptor left; write what can be written
        with suppress(OSError):
            sys.stdout.flush()


def _status(body: Callable[[], int]) -> int:
    try:
        return body()
    except Failure as failure:
        sys.stdout.flush()
        if str(failure):
            complain(str(failure))
        return failure.status
    except Done as done:
        print(done)
        return 0


def complain(message: str) -> None:
    """Write a line to standard error; a failure to do so is ignored."""
    with suppress(OSError):
        print(message, file=sys.stderr, flush=True)


def read_options(
    program: str, options: Sequence[Option], arguments: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield options and operands: name and argument, ``OPERAND`` and word, or ``WRONG``.

    Mistakes are reported on standard error. Operands may precede options, unless
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
    """A word of option letters; the text after one that takes an argument is the argument."""
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
    """A long option, which may be abbreviated; its argument follows ``=`` or is the next word."""
    name, equals, argument = text.partition("=")
    found = _matching(options, name)
    if not found:
        return _wrong(f"{program}: unrecognized option '--{text}'")
    if len(found) > 1:
        choices = " ".join(f"'--{each.name}'" for each in found)
        return _wrong(f"{program}: option '--{text}' is ambiguous; possibilities: {choices}")
    (option,) = found
    if equals:
        if not option.argument:
            return _wrong(f"{program}: option '--{option.name}' doesn't allow an argument")
        return option.name, argument
    if not option.argument or option.argument.startswith("["):
        return option.name, ""
    if not rest:
        return _wrong(f"{program}: option '--{option.name}' requires an argument")
    return option.name, rest.pop(0)


def _matching(options: Sequence[Option], name: str) -> list[Option]:
    """The option of that name, else all whose names begin with it."""
    exact = [each for each in options if each.name == name]
    return exact or [each for each in options if each.name.startswith(name)]


def _wrong(message: str) -> tuple[str, str]:
    complain(message)
    return WRONG, ""


def described(options: Sequence[Option]) -> str:
    """The lines of a help text, one for each option."""
    return "\n".join(f"  {_spelt(option):<28} {option.help}" for option in options)


def _spelt(option: Option) -> str:
    letter = f"-{option.letter}, " if option.letter else "    "
    argument = f"={option.argument}" if option.argument else ""
    return f"{letter}--{option.name}" + argument.replace("=[", "[=")


def version_of(program: str) -> str:
    """The text of ``--version``."""
    return f"{program} (oncrpc) {oncrpc.__version__}"


def integer(text: str) -> int | None:
    """A decimal number as strtol(3) reads it, with leading white space and sign; else None."""
    digits = text.lstrip(" \t\n\v\f\r")
    sign = digits[:1] if digits[:1] in ("+", "-") else ""
    digits = digits[len(sign) :]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 20:
        return None
    return -int(digits) if sign == "-" else int(digits)


def printable(text: bytes) -> str:
    r"""A server's string for a terminal: control characters and non-ASCII bytes as ``\xNN``.

    After ``LONGEST`` bytes the rest is ``...``.
    """
    shown = "".join(_SHOWN[byte] for byte in text[:LONGEST])
    return shown + "..." if len(text) > LONGEST else shown


def safe_text(text: str) -> str:
    """Text from a daemon for a terminal: what cannot be printed as an escape, and not too long."""
    cut = text[:LONGEST] + ("..." if len(text) > LONGEST else "")
    if cut.isprintable():
        return cut
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in cut)
