"""``oncrpc.nfs.exports.mount_groups``: the groups that EXPORT lists."""

from __future__ import annotations

import pytest

from oncrpc.nfs.exports.lookup import HostLookups
from oncrpc.nfs.exports.parse import parse_exports
from oncrpc.nfs.exports.rules import ExportRules
from support.fake_name_service import FakeNames


@pytest.mark.parametrize(
    ("clients", "groups"),
    [
        ("one two", ["two", "one"]),
        ("*", ["*"]),
        ("one *", []),
        ("* @g one gss/krb5", ["gss/krb5"]),
        ("192.0.2.1 198.51.100.1 192.0.2.0/24", ["192.0.2.0/24", "198.51.100.1"]),
        ("192.0.2.0/24 192.0.2.1", ["192.0.2.0/24"]),
        ("one.x one.y 192.0.2.1 *.x", ["*.x", "192.0.2.1", "one.y"]),
        ("one @g", ["@g", "one"]),
        ("192.0.2.0/24 192.0.0.0/16", ["192.0.0.0/16", "192.0.2.0/24"]),
        ("one(oops) two", ["two"]),
        ("one(oops)", None),
    ],
)
def test_groups_are_those_of_mountd(clients: str, groups: list[str] | None) -> None:
    entries = parse_exports(f"/a {clients}".encode(), "exports").entries

    assert ExportRules(HostLookups(FakeNames()), entries).groups() == groups


def test_export_without_an_entry_has_none() -> None:
    assert ExportRules(HostLookups(FakeNames())).groups() is None
