"""Why a host may or may not mount a path: the entry that decides, the options, the users."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from oncrpc.nfs.exports.clients import HostAddress, address_of
from oncrpc.nfs.exports.parse import ClientEntry
from oncrpc.nfs.exports.render import option_list
from oncrpc.nfs.exports.rules import ExportRules
from oncrpc.nfs.exports.table import Export, Exports
from oncrpc.nfs.filesystem import Identity
from oncrpc.nfs.options import ExportOptions, identity_of
from oncrpc.rpc.prot import authsys_parms

DEADLINE = 10.0
"""Seconds that an explanation waits for the name services."""

ORDINARY = 1000
"""The uid and the gid of the ordinary user in explanations."""


class EntryOutcome(StrEnum):
    """The result of comparing a host with an entry."""

    GRANTS = "grants"
    REFUSES = "refuses: the entry has an error"
    DIFFERS = "does not match"
    NAMELESS = "does not match: the name has no address"
    UNKNOWN = "not known: the name services did not answer in time"
    LATER = "not reached"


class ComparedEntry(NamedTuple):
    """An entry, and the result for the host."""

    entry: ClientEntry
    outcome: EntryOutcome


class ExportExplanation(NamedTuple):
    """The decision about a host and a path.

    ``path`` is that of the export that decides, None if no export has the path; ``compared`` are
    the entries of all exports that were asked, in the order in which they count.
    """

    host: str
    asked: bytes
    path: bytes | None
    entry: ClientEntry | None
    compared: Sequence[ComparedEntry]
    names: Sequence[str] = ()

    @property
    def granted(self) -> bool:
        """Whether the host may mount the path."""
        return self.options is not None and self.options.usable

    @property
    def options(self) -> ExportOptions | None:
        """The options of the entry that decides; None if it refuses."""
        return None if self.entry is None else self.entry.options

    def identity(self, uid: int, gid: int) -> Identity | None:
        """The user that a user of the host works as; None if the host is refused."""
        if self.options is None or not self.granted:
            return None
        parms = authsys_parms(0, b"", uid, gid, [])
        return identity_of(self.options.under("sys"), parms, host=self.host)

    def lines(self) -> Iterator[str]:
        """Yield the explanation as text."""
        asked = os.fsdecode(self.asked)
        if self.path is None:
            absolute = self.asked.startswith(b"/")
            why = "no export has this path" if absolute else "the path does not begin with /"
            yield f"{self.host} may not mount {asked}: {why}"
            return
        export = os.fsdecode(self.path)
        if self.options is None:
            yield f"{self.host} may not mount {asked}, in the export {export}"
        elif not self.options.usable:
            flavors = ":".join(self.options.sec)
            lacks = f"this server does not have the flavors of sec={flavors}"
            yield f"{self.host} may not mount {asked}, in the export {export}: {lacks}"
        else:
            access = "read only" if self.options.under("sys").ro else "read and write"
            yield f"{self.host} may mount {asked}, in the export {export}: {access}"
        if self.names:
            yield f"  names: {', '.join(self.names)}"
        for entry, outcome in self.compared:
            client = f"{os.fsdecode(entry.path)} {entry.client.text} ({entry.client.kind.words})"
            yield f"  {entry.place}: {client}: {outcome}"
        if self.options is not None and self.granted:
            yield from self._allowed(self.options)

    def _allowed(self, options: ExportOptions) -> Iterator[str]:
        yield f"  options: {option_list(options)}"
        for name, number in (("root", 0), ("an ordinary user", ORDINARY)):
            who = self.identity(number, number)
            if who is not None:
                yield f"  {name} ({number}:{number}) works as {who.uid}:{who.gid}"
        if options.under("sys").secure:
            yield "  the client's port has to be below 1024"


async def explain(
    exports: Exports, host: str, path: bytes, *, deadline: float = DEADLINE
) -> ExportExplanation:
    """Explain whether MNT of a path, and NFS calls after it, are granted.

    The exports around the path are compared from the inside out, until one of them grants.
    """
    address, compared = address_of(host), list[ComparedEntry]()
    decided: tuple[Export, ClientEntry | None] | None = None
    for export in exports.table.around(path):
        rules = exports.rules_of(export.path)
        await rules.ready(host, deadline=deadline)
        outcomes = list(_compared(rules, address))
        compared += outcomes
        entry = next((each.entry for each in outcomes if each.outcome in DECIDING), None)
        if decided is None or (entry is not None and entry.options is not None):
            decided = export, entry
        if entry is not None and entry.options is not None:
            break
    names = exports.lookups.names_of(address) if address and _needs_names(compared) else None
    if decided is None:
        return ExportExplanation(host, path, None, None, compared)
    export, entry = decided
    return ExportExplanation(host, path, export.path, entry, compared, names or ())


DECIDING = (EntryOutcome.GRANTS, EntryOutcome.REFUSES)


def _needs_names(compared: Sequence[ComparedEntry]) -> bool:
    return any(each.entry.client.wildcard or each.entry.client.group for each in compared)


def _compared(rules: ExportRules, address: HostAddress | None) -> Iterator[ComparedEntry]:
    decided = False
    for entry in rules.entries:
        if decided:
            yield ComparedEntry(entry, EntryOutcome.LATER)
            continue
        matches = rules.matches(entry, address)
        if matches is None:
            decided = True
            yield ComparedEntry(entry, EntryOutcome.UNKNOWN)
        elif not matches:
            nameless = rules.has_no_address(entry)
            yield ComparedEntry(entry, EntryOutcome.NAMELESS if nameless else EntryOutcome.DIFFERS)
        else:
            decided = True
            refuses = entry.options is None
            yield ComparedEntry(entry, EntryOutcome.REFUSES if refuses else EntryOutcome.GRANTS)
