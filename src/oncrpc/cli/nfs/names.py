r"""Names of files for people: quoted as GNU ls does, without control characters.

A server is not trusted. A name can have any bytes: some control the terminal, or look like two
lines.
"""

from __future__ import annotations

import os
import re
from urllib.parse import quote

SHELL_SAFE = re.compile(r"[\w@%+=:,./^-]+")
"""Names that the shell takes as they are; ``\\w`` includes letters of other alphabets."""

KEPT_IN_URL = "/!$&()*+,-.:;=@_~"
"""ASCII characters beside letters and digits that need no escape in the path of a URL."""

ESCAPES = dict(zip("\a\b\t\n\v\f\r", (rf"\{letter}" for letter in "abtnvfr"), strict=True))


def quoted(name: str, *, terminal: bool) -> str:
    r"""A name for a line of output: ``a``, ``'a b'``, ``'a'$'\n''b'``.

    Without a terminal, names are quoted only if they have characters that cannot be printed.
    """
    if not name.isprintable():
        return _escaped(name)
    if not terminal or SHELL_SAFE.fullmatch(name):
        return name
    if "'" in name and not any(char in name for char in '"$`\\!'):
        return f'"{name}"'
    return _in_quotes(name)


def _escaped(name: str) -> str:
    parts = _runs(name)
    shown = [_in_quotes(part) if part.isprintable() else f"$'{_octal(part)}'" for part in parts]
    return "".join(shown if parts[0].isprintable() else ["''", *shown])


def _runs(text: str) -> list[str]:
    """The text in parts, in which all characters or none can be printed."""
    parts: list[str] = []
    for char in text:
        if parts and parts[-1].isprintable() == char.isprintable():
            parts[-1] += char
        else:
            parts.append(char)
    return parts


def _octal(text: str) -> str:
    return "".join(
        ESCAPES.get(char) or "".join(f"\\{byte:03o}" for byte in os.fsencode(char)) for char in text
    )


def _in_quotes(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def plain(text: str) -> str:
    r"""Text of a server in a message: characters that cannot be printed as ``\xNN``."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))
        for char in text
    )


def url_path(path: str) -> str:
    """The path of a file in a URL: blanks, quotes, ``%``, ``?``, ``#`` and the like as ``%NN``."""
    return "".join(
        char if char in KEPT_IN_URL or char.isalnum() else quote(os.fsencode(char)) for char in path
    )
