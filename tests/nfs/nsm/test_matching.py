"""``oncrpc.nfs.nsm.matching``: which host a notice is about."""

from __future__ import annotations

import pytest

from oncrpc.nfs.nsm.matching import address_in, is_host, is_same_name, position_of


@pytest.mark.parametrize(
    ("name", "address"),
    [
        (b"192.0.2.1", "192.0.2.1"),
        (b"::ffff:192.0.2.1", "192.0.2.1"),
        (b"2001:DB8:0::1", "2001:db8::1"),
        (b"fe80::1%eth0", "fe80::1%eth0"),
        (b"client.example.com", ""),
        (b"192.0.2", ""),
        (b"\xff", ""),
        (b"", ""),
    ],
)
def test_address_is_told_from_a_name(name: bytes, address: str) -> None:
    assert address_in(name) == address


@pytest.mark.parametrize("name", [b"a", b"client-1.example.com", b"192.0.2.1", b"fe80::1%eth0"])
def test_usual_names_are_of_hosts(name: bytes) -> None:
    assert is_host(name)


@pytest.mark.parametrize(
    "name", [b"", b".hidden", b"../etc", b"a/b", b"a b", b"a\n", b"\xff", b"x" * 256, b"%41"]
)
def test_odd_names_are_of_no_host(name: bytes) -> None:
    assert not is_host(name)


@pytest.mark.parametrize(
    ("name", "other", "same"),
    [
        (b"a", b"A", True),
        (b"a.example", b"a", True),
        (b"A", b"a.example", True),
        (b"a.example", b"a.other", False),
        (b"a", b"b", False),
        (b"ab", b"a", False),
    ],
)
def test_name_is_the_same_without_domain(name: bytes, other: bytes, same: bool) -> None:
    assert is_same_name(name, other) is same


@pytest.mark.parametrize(
    ("name", "names", "position"),
    [
        (b"other", [b"only"], 0),
        (b"b", [b"a", b"b"], 1),
        (b"B.EXAMPLE", [b"a", b"b"], 1),
        (b"b", [b"a.example", b"b.example"], 1),
        (b"b", [b"b.example", b"b"], 1),
        (b"b", [b"b.example", b"b.other"], None),
        (b"c", [b"a", b"b"], None),
    ],
)
def test_notice_is_about_one_of_several(
    name: bytes, names: list[bytes], position: int | None
) -> None:
    assert position_of(name, names) == position
