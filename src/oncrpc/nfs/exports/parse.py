"""From a file of exports(5) to its entries and all its problems."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from msgspec import Struct, field

from oncrpc.nfs.exports.clients import (
    ClientPattern,
    PatternClass,
    client_of,
    looks_like_addresses,
    unreadable_client,
)
from oncrpc.nfs.exports.option_list import OptionList
from oncrpc.nfs.exports.places import (
    BadExport,
    ExportPlace,
    ExportProblem,
    ExportsText,
    PlacesOf,
    Severity,
    readable,
    shown,
)
from oncrpc.nfs.exports.words import (
    ClientWord,
    DefaultsWord,
    ExportWord,
    OptionWord,
    item_of,
    lines_of,
)
from oncrpc.nfs.options import ExportOptions

LONGEST_PATH = 1024
"""Bytes of a path (MNTPATHLEN)."""

MAX_ENTRIES = 65536
"""Clients in a file of exports(5). The line that has more, and those behind it, are not read."""

MAX_PROBLEMS = 200
"""Problems of one severity that are reported for a file of exports(5)."""


class ClientEntry(NamedTuple):
    """A client of an export; ``options`` is None if the entry has an error, and refuses."""

    path: bytes
    client: ClientPattern
    options: ExportOptions | None
    place: ExportPlace


class ParsedExports(Struct):
    """The entries of one or more sources, in order, and what is wrong with them."""

    entries: list[ClientEntry] = field(default_factory=list)
    problems: list[ExportProblem] = field(default_factory=list)
    _told: Counter[Severity] = field(default_factory=Counter)

    def tell(self, severity: Severity, place: ExportPlace, text: str, advice: str = "") -> None:
        """Keep a problem, unless there are ``MAX_PROBLEMS`` of its severity."""
        self._told[severity] += 1
        if self._told[severity] <= MAX_PROBLEMS:
            self.problems.append(ExportProblem(severity, place, text, advice))

    def take(self, other: ParsedExports) -> None:
        """Append the entries and problems of another source."""
        self.entries += other.entries
        self.problems += other.problems


def parse_exports(data: bytes, file: str) -> ParsedExports:
    """The entries of a file, and all that is wrong with it."""
    source, parsed = ExportsText(data, file), ParsedExports()
    for words in lines_of(source):
        if len(parsed.entries) + len(words) - 1 > MAX_ENTRIES:
            place = source.place(words[0].start)
            parsed.tell(Severity.ERROR, place, f"more than {MAX_ENTRIES} clients", "use networks")
            break
        _Line(source, parsed).read(words)
    return parsed


def plain_path(path: bytes) -> bytes:
    """A path without doubled slashes and without one at its end."""
    return re.sub(rb"/+", b"/", path).rstrip(b"/") or b"/"


class ExportMaker:
    """Makes the entries of one export, from patterns and lists of options."""

    def __init__(self, path: bytes, parsed: ParsedExports) -> None:
        self.path, self.parsed = path, parsed
        self.defaults, self.valid = OptionList(), True

    def set_defaults(self, options: Sequence[OptionWord], place: PlacesOf) -> None:
        """Let options be those of all clients that follow."""
        self.valid = self.defaults.add(options, partial(self._tell, place)) and self.valid

    def add(self, pattern: str, options: Sequence[OptionWord], place: PlacesOf) -> None:
        """Add a client with its options."""
        try:
            client, valid = client_of(pattern), self.valid
            self._check(client, place)
        except BadExport as error:
            self._tell(place, Severity.ERROR, error)
            client, valid = unreadable_client(pattern), False
        own = OptionList(self.defaults)
        valid = own.add(options, partial(self._tell, place)) and valid
        self.keep(client, own.options() if valid else None, place.of(0))

    def refuse(self, pattern: str, place: ExportPlace) -> None:
        """Add a client that cannot be read; it is refused."""
        try:
            client = client_of(pattern)
        except BadExport:
            client = unreadable_client(pattern)
        self.keep(client, None, place)

    def keep(
        self, client: ClientPattern, options: ExportOptions | None, place: ExportPlace
    ) -> None:
        """Add an entry."""
        self.parsed.entries.append(ClientEntry(self.path, client, options, place))

    def _check(self, client: ClientPattern, place: PlacesOf) -> None:
        if looks_like_addresses(client):
            text = f"{shown(client.text)} is compared with names of hosts, never with addresses"
            self._tell(place, Severity.WARNING, BadExport(text, "write ADDRESS/LENGTH"))
        if client.kind is PatternClass.GSS:
            text = f"{client.text} matches nobody: this server does not have Kerberos"
            self._tell(place, Severity.NOTE, BadExport(text))

    def _tell(self, place: PlacesOf, severity: Severity, found: BadExport) -> None:
        self.parsed.tell(severity, place.of(found.at), found.text, found.advice)


class WordPlaces:
    """The places of the characters of a word."""

    def __init__(self, source: ExportsText, word: ExportWord) -> None:
        self._source, self._word = source, word

    def of(self, at: int) -> ExportPlace:
        """The place of a character."""
        offsets = self._word.offsets
        return self._source.place(offsets[min(at, len(offsets) - 1)] if at else self._word.start)


class _Line:
    """Reads one line: a path, and the clients that may mount it."""

    def __init__(self, source: ExportsText, parsed: ParsedExports) -> None:
        self.source, self.parsed = source, parsed
        self._bare = ""
        """The client of the word before, if it has no options."""

    def read(self, words: Sequence[ExportWord]) -> None:
        """Read the words of the line."""
        path, *rest = words
        place = WordPlaces(self.source, path)
        found = path.flaw or fault_of_path(path.text)
        if found is not None:
            self._tell(Severity.ERROR, place, found)
            return
        maker = ExportMaker(plain_path(path.text.encode("latin-1")), self.parsed)
        before, item = len(self.parsed.entries), None
        for word in rest:
            item = self._item(maker, word)
        if len(self.parsed.entries) == before:
            text = f"{shown(path.text)} is exported to every host"
            self._tell(Severity.WARNING, place, BadExport(text, "write * to say so"))
            maker.add("*", (), place)
        elif isinstance(item, DefaultsWord):
            text = "default options at the end of the line apply to no client"
            self._tell(
                Severity.WARNING,
                WordPlaces(self.source, words[-1]),
                BadExport(text, "write them before the clients"),
            )

    def _item(self, maker: ExportMaker, word: ExportWord) -> ClientWord | DefaultsWord | None:
        place, bare, self._bare = WordPlaces(self.source, word), self._bare, ""
        try:
            if word.flaw is not None:
                raise word.flaw
            item = item_of(word.text)
        except BadExport as error:
            self._tell(Severity.ERROR, place, error)
            maker.refuse(word.text.partition("(")[0], place.of(0))
            return None
        if isinstance(item, DefaultsWord):
            maker.set_defaults(item.options, place)
        elif item.pattern is not None:
            self._bare = item.pattern if item.options is None else ""
            maker.add(item.pattern, item.options or (), place)
        elif bare:
            text = f"a blank between {shown(bare)} and its options"
            options = readable(word.text)
            advice = f"write {readable(bare)}{options}, or *{options} for every host"
            self._tell(Severity.ERROR, place, BadExport(text, advice))
            maker.refuse("*", place.of(0))
        else:
            text = f"{shown(word.text)} is for every host"
            advice = f"write *{readable(word.text)} to say so"
            self._tell(Severity.WARNING, place, BadExport(text, advice))
            maker.add("*", item.options or (), place)
        return item

    def _tell(self, severity: Severity, place: PlacesOf, found: BadExport) -> None:
        self.parsed.tell(severity, place.of(found.at), found.text, found.advice)


def fault_of_path(path: str) -> BadExport | None:
    """The mistake in a path; None if it is valid."""
    if not path.startswith("/"):
        return BadExport(f"{shown(path)} is not an absolute path", "begin it with /")
    if len(path) > LONGEST_PATH:
        return BadExport("a path that is too long", f"at most {LONGEST_PATH} bytes")
    return None
