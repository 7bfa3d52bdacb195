"""All exports by path, and reading them again while the server runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from oncrpc.nfs.exports.backend_choice import BackendChoice
from oncrpc.nfs.exports.lookup import HostLookups
from oncrpc.nfs.exports.parse import ClientEntry, plain_path
from oncrpc.nfs.exports.places import ExportProblem, Severity, readable
from oncrpc.nfs.exports.rules import ExportRules
from oncrpc.nfs.exports.sources import ExportSources, ReadExports, read_exports

Resolve = Callable[[bytes], bytes]


class Export(Struct, frozen=True):
    """An exported directory: its path without symbolic links, and its entries in order.

    ``spellings`` are the paths that the sources have for it. ``backend`` serves it, if it is not
    a directory or an archive of this host.
    """

    path: bytes
    entries: Sequence[ClientEntry]
    spellings: frozenset[bytes] = frozenset()
    backend: BackendChoice | None = None


class ExportTable(Struct, frozen=True):
    """The exports of all sources by path, and the problems of the sources.

    ``entries`` are those of all exports in the order of the sources, each with the export's path.
    """

    exports: Mapping[bytes, Export] = field(default_factory=dict)
    entries: Sequence[tuple[bytes, ClientEntry]] = ()
    problems: Sequence[ExportProblem] = ()
    files: Sequence[str] = ()

    @property
    def errors(self) -> Sequence[ExportProblem]:
        """The problems for which clients are refused."""
        return [each for each in self.problems if each.severity is Severity.ERROR]

    def around(self, path: bytes) -> Iterator[Export]:
        """Yield the exports that a path is in, the innermost first.

        A client that one of them refuses may still mount the path through a later one.
        """
        by_spelling = {
            spelling: export for export in self.exports.values() for spelling in export.spellings
        }
        path = plain_path(path)
        while path.startswith(b"/"):
            found = self.exports.get(path) or by_spelling.get(path)
            if found is not None:
                yield found
            if path == b"/":
                return
            path = path.rpartition(b"/")[0] or b"/"


def real_path(path: bytes) -> bytes:
    """A path without symbolic links, as exportfs has it; as it is if there is no such file."""
    try:
        return os.path.realpath(path, strict=True)
    except (OSError, ValueError):
        return path


def table_of(read: ReadExports, resolve: Resolve = real_path) -> ExportTable:
    """The table of entries: those of one path together, without duplicates."""
    problems, entries = list(read.problems), dict[bytes, dict[str, ClientEntry]]()
    ordered = list[tuple[bytes, ClientEntry]]()
    spellings = dict[bytes, set[bytes]]()
    for entry in read.entries:
        path = entry.path if entry.path in read.backends else resolve(entry.path)
        spellings.setdefault(path, set()).add(entry.path)
        of_path = entries.setdefault(path, {})
        former = of_path.setdefault(entry.client.key, entry)
        if former is entry:
            ordered.append((path, entry))
        else:
            problems.append(_duplicate(entry, former))
    problems += _same_number(entries)
    exports = {
        path: Export(
            path, tuple(found.values()), frozenset(spellings[path]), read.backends.get(path)
        )
        for path, found in entries.items()
    }
    return ExportTable(exports, ordered, problems, read.files)


def _duplicate(entry: ClientEntry, former: ClientEntry) -> ExportProblem:
    """As for exportfs, the first of two entries counts."""
    differs = "" if entry.options == former.options else ", which has other options"
    return ExportProblem(
        Severity.WARNING,
        entry.place,
        f"{_text(entry.path)} has {readable(entry.client.text)} already at {former.place}{differs}",
        "remove one: the first counts",
    )


def _same_number(entries: Mapping[bytes, Mapping[str, ClientEntry]]) -> Iterator[ExportProblem]:
    """Yield a warning for each path with the ``fsid`` of another one."""
    owners = dict[int | str, bytes]()
    for path, found in entries.items():
        numbers = dict[int | str, ClientEntry]()
        for entry in found.values():
            if entry.options is not None and entry.options.fsid is not None:
                numbers.setdefault(entry.options.fsid, entry)
            if entry.options is not None and entry.options.uuid:
                numbers.setdefault(entry.options.uuid, entry)
        for number, entry in numbers.items():
            owner = owners.setdefault(number, path)
            if owner != path:
                text = f"fsid={readable(str(number))} is that of {_text(owner)} too"
                yield ExportProblem(Severity.WARNING, entry.place, text, "give each path its own")


def _text(path: bytes) -> str:
    return readable(path.decode("latin-1"))


class Exports:
    """The exports of a server. Reading them again changes the rules that were given out.

    ``rules_of`` returns the same object for a path as long as the object lives.
    """

    def __init__(
        self,
        sources: ExportSources,
        *,
        lookups: HostLookups | None = None,
        resolve: Resolve = real_path,
    ) -> None:
        self.sources, self.lookups = sources, lookups or HostLookups()
        self.table = ExportTable()
        self._resolve = resolve
        self._rules: dict[bytes, ExportRules] = {}

    def check(self) -> ExportTable:
        """Read the sources, and change nothing. This blocks: it reads files."""
        return table_of(read_exports(self.sources), self._resolve)

    def load(self) -> ExportTable:
        """Read the sources. Entries with an error refuse the hosts that they match."""
        return self.use(self.check())

    def reload(self) -> ExportTable:
        """Read the sources again. If they have an error, the former exports stay in force.

        Returns the table that was read.
        """
        table = self.check()
        return table if table.errors else self.use(table)

    def use(self, table: ExportTable) -> ExportTable:
        """Put a table in force. Exports that it does not have refuse every host."""
        self.table = table
        for path, rules in self._rules.items():
            export = table.exports.get(path)
            rules.replace(export.entries if export else ())
        return table

    def rules_of(self, path: bytes) -> ExportRules:
        """The rules of the export with this path; of one that does not exist they refuse all."""
        rules = self._rules.get(path)
        if rules is None:
            export = self.table.exports.get(path)
            rules = ExportRules(self.lookups, export.entries if export else ())
            self._rules[path] = rules
        return rules

    def prepare(self) -> None:
        """Start to look up the names of hosts in the exports, so that no caller has to wait."""
        for path in self.table.exports:
            self.rules_of(path).prepare()
