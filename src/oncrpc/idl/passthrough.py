"""Lines that begin with ``%``: C code, which rpcgen passes on to the header that it writes."""

from __future__ import annotations

import re

from oncrpc.idl.directives import DEFINE, declarations_of, ends_in_comment, without_comments
from oncrpc.idl.source import Hidden, SourceText

DIRECTIVE = re.compile(r"%\s*#\s*(define|include)\s+(.*)")
TYPEDEF = re.compile(r"%\s*typedef\s+(\w+(?:\s+\w+)*)\s+(\w+)\s*;$")
HEADER = re.compile(r'[<"]([^>"]+)\.h[>"]')


class PassThrough:
    """Reads ``%`` lines; those that are a comment stay, without their ``%``.

    Within a comment of the file itself ``%`` is an ordinary character, as for rpcgen.
    """

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.in_comment = self.in_passed_comment = self.continued = False

    def line(self, line: str, file: str, number: int) -> str:
        """The line for the grammar."""
        if self.continued:
            self.continued = line.endswith("\\")
            return ""
        if self.in_comment or not line.startswith("%"):
            self.in_comment = ends_in_comment(line, self.in_comment)
            return line
        self.continued = line.endswith("\\")
        body = line[1:]
        if self.in_passed_comment or body.lstrip().startswith("/*"):
            self.in_passed_comment = "*/" not in body
            return " " + body
        self._remember(without_comments(line), file, number)
        return ""

    def _remember(self, line: str, file: str, number: int) -> None:
        """Note the header that the line includes, or the name that it declares."""
        if found := TYPEDEF.match(line):
            self._hide(found[2], found[1], file, number)
        if not (found := DIRECTIVE.match(line)):
            return
        if found[1] == "include":
            header = HEADER.match(found[2])
            self.source.headers += [header[1]] if header else []
        elif (defined := DEFINE.match(found[2])) and defined[2]:
            self._hide(defined[1], defined[2], file, number)

    def _hide(self, name: str, value: str, file: str, number: int) -> None:
        for text in declarations_of(name, value):
            self.source.hidden.append(Hidden(name, text, file, number))
