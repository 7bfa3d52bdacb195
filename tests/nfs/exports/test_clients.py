"""``oncrpc.nfs.exports.clients``: the forms of clients, and the addresses that they have."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.exports.clients import (
    PatternClass,
    address_of,
    client_of,
    looks_like_addresses,
    unreadable_client,
)
from oncrpc.nfs.exports.places import BadExport
from support.fake_name_service import host

V4, V6 = st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("master", PatternClass.HOST),
        ("pc001.local.domain", PatternClass.HOST),
        ("a_b-c.example.org.", PatternClass.HOST),
        ("192.0.2.1", PatternClass.HOST),
        ("2001:db8::1", PatternClass.HOST),
        ("fe80::1%eth0", PatternClass.HOST),
        ("192.0.2.0/24", PatternClass.NETWORK),
        ("192.0.2.0/255.255.252.0", PatternClass.NETWORK),
        ("2001:db8:9:e54::/64", PatternClass.NETWORK),
        ("2001:db8::/ffff:ffff::", PatternClass.NETWORK),
        ("*.local.domain", PatternClass.WILDCARD),
        ("proj?", PatternClass.WILDCARD),
        ("buildhost[0-9].local.domain", PatternClass.WILDCARD),
        ("host[a/b]", PatternClass.WILDCARD),
        ("@trusted", PatternClass.NETGROUP),
        ("*", PatternClass.ANONYMOUS),
        ("", PatternClass.ANONYMOUS),
        ("gss/krb5", PatternClass.GSS),
        ("gss/krb5i", PatternClass.GSS),
        ("gss/krb5p", PatternClass.GSS),
    ],
)
def test_form_gives_the_class(text: str, kind: PatternClass) -> None:
    found = client_of(text)

    assert found.kind is kind
    assert found.valid
    assert found.text == (text or "*")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("gss/krb9", "unknown client"),
        ("@", "not a netgroup"),
        ("@a b", "not a client"),
        ("*(rw", "not a client"),
        ("a,b", "not a client"),
        ("10.4", "not an address"),
        ("0x7f.1", "not an address"),
        ("1", "not an address"),
        ("192.0.2.256", "not an address"),
        ("2001:db8:::1", "not an address"),
        ("[2001:db8::1]", "not an address"),
        ("2001:db8::*", "not an address"),
        ("-host", "not the name of a host"),
        ("a" * 254, "not the name of a host"),
        ("a..b", "not the name of a host"),
        ("host)", "not a client"),
        ("höst", "not a client"),
        ("a\tb", "not a client"),
        ("192.0.2.0/", "not a length or a mask"),
        ("192.0.2.0/33", "not a length or a mask"),
        ("192.0.2.0/-1", "not a length or a mask"),
        ("192.0.2.0/+8", "not a length or a mask"),
        ("192.0.2.0/255.255", "not a length or a mask"),
        ("192.0.2.0/ffff::", "not a length or a mask"),
        ("2001:db8::/129", "not a length or a mask"),
        ("2001:db8::/255.0.0.0", "not a length or a mask"),
        ("::ffff:192.0.2.0/64", "other addresses than those of IPv4"),
        ("host/24", "not an address"),
        ("fe80::%eth0/64", "not an address"),
        ("192.0.2.0/24/8", "not a length or a mask"),
        ("host[", "without an end"),
    ],
)
def test_other_forms_are_errors(text: str, reason: str) -> None:
    with pytest.raises(BadExport, match=reason) as caught:
        client_of(text)

    assert caught.value.advice


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%2", "fe80::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
    ],
)
def test_mapped_addresses_and_scopes_are_reduced(text: str, address: str) -> None:
    assert str(address_of(text)) == address
    assert client_of(text).covers(host(address))
    assert client_of(text).key == address


@pytest.mark.parametrize("text", ["", "host", "10.4", "1", "192.0.2.1 ", "/run/socket"])
def test_other_texts_are_no_address(text: str) -> None:
    assert address_of(text) is None


@given(V4, st.integers(0, 32), V4)
def test_network_has_the_addresses_of_its_prefix(base: str, length: int, other: str) -> None:
    expected = IPv4Address(other) in IPv4Network((base, length), strict=False)
    mask = str(IPv4Network((base, length), strict=False).netmask)

    for text in (f"{base}/{length}", f"{base}/{mask}", f"::ffff:{base}/{length + 96}"):
        assert client_of(text).covers(host(other)) is expected


@given(V6, st.integers(0, 128), V6)
def test_network_of_ipv6_has_its_addresses(base: str, length: int, other: str) -> None:
    if "ffff:" not in base[:7] and not other.startswith("::ffff:"):
        expected = IPv6Address(other) in IPv6Network((base, length), strict=False)

        assert client_of(f"{base}/{length}").covers(host(other)) is expected


def test_families_do_not_match_each_other() -> None:
    assert not client_of("0.0.0.0/0").covers(host("::1"))
    assert not client_of("::/0").covers(host("192.0.2.1"))
    assert not client_of("host").covers(host("192.0.2.1"))


def test_hosts_are_compared_by_address_and_without_case() -> None:
    assert client_of("2001:DB8::1").key == client_of("2001:db8:0::1").key
    assert client_of("Host").key == client_of("hOST").key
    assert client_of("192.0.2.0/24").key != client_of("192.0.2.0/255.255.255.0").key


def test_wildcards_of_addresses_are_noticed() -> None:
    assert looks_like_addresses(client_of("192.0.2.*"))
    assert looks_like_addresses(client_of("192.0.2.[0-9]"))
    assert not looks_like_addresses(client_of("*.example.org"))
    assert not looks_like_addresses(client_of("*"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("-", PatternClass.HOST),
        ("192.0.2.0/99", PatternClass.NETWORK),
        ("[::1]", PatternClass.WILDCARD),
        ("@", PatternClass.NETGROUP),
    ],
)
def test_unreadable_client_keeps_its_class(text: str, kind: PatternClass) -> None:
    found = unreadable_client(text)

    assert (found.kind, found.valid) == (kind, False)


@pytest.mark.parametrize("kind", PatternClass)
def test_classes_have_words(kind: PatternClass) -> None:
    assert kind.words == ("any host" if kind.name == "ANONYMOUS" else kind.name.lower())
