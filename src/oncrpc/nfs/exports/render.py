"""Exports as text, as ``exportfs -v`` and ``exportfs -s`` print them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from oncrpc.nfs.exports.clients import PatternClass
from oncrpc.nfs.exports.parse import ClientEntry
from oncrpc.nfs.exports.table import ExportTable
from oncrpc.nfs.options import NOBODY, ExportOptions

WORLD = "<world>"
SHORT_PATH = 14
"""Bytes of a path that have the client on the same line in ``exportfs -v``."""

SPECIAL = re.compile(rb'[ \t\n\r\v\f"\\]')
"""Bytes that are escaped. exportfs leaves some as they are, and cannot read its own output then."""


def exportfs_s(table: ExportTable) -> bytes:
    """The exports as ``exportfs -s`` prints them, which can be read as exports(5)."""
    lines = (
        b"%s  %s(%s)\n" % (escaped(path), escaped(entry.client.text.encode()), escaped(options))
        for path, entry, options in _listed(table)
    )
    return b"".join(lines)


def exportfs_v(table: ExportTable) -> bytes:
    """The exports as ``exportfs -v`` prints them."""
    return b"".join(
        b"%s%s(%s)\n" % (heading(path), _client(entry).encode(), options)
        for path, entry, options in _listed(table)
    )


def exportfs_plain(table: ExportTable) -> bytes:
    """The exports as ``exportfs`` prints them without an option."""
    return b"".join(
        b"%s%s\n" % (heading(path), _client(entry).encode()) for path, entry, _ in _listed(table)
    )


def option_list(options: ExportOptions) -> str:
    """All options, in the order of exportfs."""
    words = [word for word in _common(options) if word]
    transport = [f"xprtsec={':'.join(options.xprtsec)}"] if options.xprtsec else []
    return ",".join([*words, *_by_flavor(options), *transport])


def _by_class(table: ExportTable) -> Iterator[tuple[bytes, ClientEntry]]:
    """Yield the entries that grant something: by class, then by path in the order of the class."""
    for kind in PatternClass:
        of_kind = dict[bytes, list[ClientEntry]]()
        for path, entry in table.entries:
            if entry.client.kind is kind and entry.options is not None:
                of_kind.setdefault(path, []).append(entry)
        for path, entries in of_kind.items():
            for entry in entries:
                yield path, entry


def _listed(table: ExportTable) -> Iterator[tuple[bytes, ClientEntry, bytes]]:
    for path, entry in _by_class(table):
        if entry.options is not None:
            yield path, entry, option_list(entry.options).encode("latin-1", "replace")


def heading(path: bytes) -> bytes:
    """The path in front of its first client in ``exportfs -v``."""
    if len(path) > SHORT_PATH:
        return path + b"\n\t\t"
    return path.ljust(SHORT_PATH) + b"\t"


def _client(entry: ClientEntry) -> str:
    return WORLD if entry.client.kind is PatternClass.ANONYMOUS else entry.client.text


def escaped(text: bytes) -> bytes:
    """A word as it can be read in a file of exports(5)."""
    return SPECIAL.sub(lambda match: b"\\%03o" % match[0][0], text)


def _common(options: ExportOptions) -> Iterator[str]:
    """Yield the options that do not depend on the flavor; an empty one is not shown."""
    yield "sync" if options.sync else "async"
    yield "wdelay" if options.wdelay else "no_wdelay"
    yield "nohide" if options.nohide else "hide"
    yield "crossmnt" if options.crossmnt else ""
    yield "" if options.subtree_check else "no_subtree_check"
    yield "insecure_locks" if options.insecure_locks else ""
    yield "" if options.readdirplus else "nordirplus"
    yield "security_label" if options.security_label else ""
    yield "sign_fh" if options.sign_fh else ""
    yield "" if options.acl else "no_acl"
    yield "pnfs" if options.pnfs else ""
    yield f"fsid={_signed(options.fsid)}" if options.fsid is not None else ""
    yield f"fsid={options.uuid}" if options.uuid else ""
    yield f"reexport={options.reexport}" if options.reexport else ""
    if options.mountpoint is not None:
        yield f"mountpoint={options.mountpoint}".rstrip("=")
    yield f"anonuid={_signed(options.anonuid)}" if options.anonuid != NOBODY else ""
    yield f"anongid={_signed(options.anongid)}" if options.anongid != NOBODY else ""
    yield options.locations


def _by_flavor(options: ExportOptions) -> Iterator[str]:
    """Yield ``sec=`` for flavors with the same options, and these options."""
    rules = [(flavor, _flavor_words(options.under(flavor))) for flavor in options.sec]
    for words, group in groupby(rules, key=itemgetter(1)):
        yield f"sec={':'.join(flavor for flavor, _ in group)}"
        yield from words


def _flavor_words(options: ExportOptions) -> tuple[str, ...]:
    return (
        "ro" if options.ro else "rw",
        "secure" if options.secure else "insecure",
        "root_squash" if options.root_squash else "no_root_squash",
        "all_squash" if options.all_squash else "no_all_squash",
    )


def _signed(number: int) -> int:
    """A number as C prints it that takes 32 bits for an int."""
    return number - (1 << 32) if number >= 1 << 31 else number
