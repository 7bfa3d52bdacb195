"""Files of exports(5): any text has entries, and problems that are short and can be printed.

The first entry that matches a host decides. What ``exportfs -s`` would print is read again as the
same exports.
"""

from __future__ import annotations

from random import Random

from fuzz.driver import Target
from fuzz.mutation import mutated_text
from oncrpc.nfs.exports.clients import address_of
from oncrpc.nfs.exports.lookup import HostLookups
from oncrpc.nfs.exports.parse import parse_exports
from oncrpc.nfs.exports.render import exportfs_plain, exportfs_s, exportfs_v
from oncrpc.nfs.exports.rules import ExportRules
from oncrpc.nfs.exports.sources import ReadExports
from oncrpc.nfs.exports.table import Export, ExportTable, table_of

TOKENS = (
    "/", "/srv", "//", "/a b", '"', "\\", "\\040", "\\134", "\\377", "\\400", "\\000", "\\\n", "#",
    "(", ")", ",", "=", "-", "--", " ", "\t", "\n", "*", "?", "[", "]", "[^", "@", "@g", "gss/krb5",
    "host", "*.example.org", "192.0.2.1", "192.0.2.0/24", "/255.255.0.0", "2001:db8::/32", "::1",
    "::ffff:192.0.2.0/120", "%eth0", "/33", "rw", "ro", "sync", "sec=", "sec=sys:krb5", "anonuid=",
    "anonuid=-2", "fsid=", "fsid=root", "mp=/x", "mp", "refer=/a@b", "xprtsec=none", "all_squash",
    "no_root_squash", "4294967296", "9" * 5000, "*" * 300, "é", "\0", "\x1b[2J", "\u202e",
)  # fmt: skip
SEEDS = (
    "/srv host(rw,sync) *(ro)\n",
    "/srv -rw,sec=sys:krb5 192.0.2.0/24 @g(ro,anonuid=150,anongid=100) # comment\n",
    '"/with space" 2001:db8::/32(rw,fsid=root) *.example.org(ro,mp=/x)\n/o\\040ct *\n',
    "/srv \\\n  h[0-9](rw) \\\n  gss/krb5(ro)\n/a\n/b (rw)\n",
    "/srv 192.0.2.1(rw,oops) 192.0.2.0/99 *(rw)\n",
    "",
)
CALLERS = ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "fe80::1%eth0", "", "memory")
LONGEST = 1500
"""Characters of a problem; the names of files are short here."""


def make(source: Random) -> bytes:
    """A file, often made of two."""
    text = "".join(source.sample(SEEDS, source.choice((1, 1, 2))))
    return mutated_text(text, source, TOKENS).encode("utf-8", "replace")


def run(data: bytes) -> None:
    """Read it, judge hosts by it, and print it."""
    table = _table(data)
    for problem in table.problems:
        assert str(problem).isprintable(), problem
        assert len(str(problem)) <= LONGEST, problem
    for export in table.exports.values():
        _judge(export)
    shown = exportfs_s(table)
    exportfs_v(table)
    exportfs_plain(table)
    again = _table(shown)
    assert not again.errors, again.errors
    if b"subtree_check" not in data:  # exportfs shows its opposite only
        assert exportfs_s(again) == shown


def _judge(export: Export) -> None:
    """Decide about hosts, by the entries without a name: nobody answers questions here."""
    entries = [entry for entry in export.entries if not entry.client.needs_names]
    rules = ExportRules(HostLookups(), entries)
    assert rules.groups() is None or any(entry.options for entry in entries)
    for caller in CALLERS:
        found, address = rules.ruling(caller).entry, address_of(caller)
        matching = [entry for entry in rules.entries if rules.matches(entry, address)]
        assert found is (matching[0] if matching else None)


def _table(data: bytes) -> ExportTable:
    read = ReadExports()
    read.take(parse_exports(data, "exports"))
    return table_of(read, lambda path: path)


TARGET = Target("exports_files", make, run)
