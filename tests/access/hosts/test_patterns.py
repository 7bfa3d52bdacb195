"""Patterns of hosts_access(5): what they match."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.access.hosts.patterns import (
    PARANOID,
    UNKNOWN,
    NameNeeded,
    glob_matches,
    host_at,
    host_pattern,
    ipv4_of,
    never,
    split_at,
    split_behind,
    word_matches,
)

CLIENT = ("10.0.0.5", "client.example.com")
CLIENT6 = ("2001:db8::5", "six.example.com")
NO_NAME = ("10.0.0.5", UNKNOWN)


def matches(pattern: str, address: str, name: str | None) -> bool:
    matcher = host_pattern(pattern, warn=lambda _: None, file_list=lambda _: never)
    return matcher(host_at(address, name))


def warnings(pattern: str) -> list[str]:
    told: list[str] = []
    host_pattern(pattern, warn=told.append, file_list=lambda _: never)
    return told


@pytest.mark.parametrize(
    ("pattern", "host"),
    [
        ("ALL", NO_NAME),
        ("all", NO_NAME),
        ("10.0.0.5", NO_NAME),
        ("10.", NO_NAME),
        ("10.0.0.0/8", NO_NAME),
        ("10.0.0.0/255.255.255.0", NO_NAME),
        ("012.0.0.0/8", NO_NAME),
        ("10.0.0.5", ("::ffff:10.0.0.5", UNKNOWN)),
        ("10.0.0.5", ("::ffff:a00:5", UNKNOWN)),
        ("[2001:db8::5]", CLIENT6),
        ("[2001:DB8:0::5]", CLIENT6),
        ("[2001:db8::]/32", CLIENT6),
        ("[fe80::]/10", ("fe80::1%eth0", UNKNOWN)),
        ("[fe80::1%eth0]", ("fe80::1%eth0", UNKNOWN)),
        ("[::]/0", CLIENT6),
        ("client.example.com", CLIENT),
        ("Client.Example.COM", CLIENT),
        (".example.com", CLIENT),
        ("client.", CLIENT),
        ("*.example.com", CLIENT),
        ("cl?ent.*", CLIENT),
        ("10.*.5", NO_NAME),
        ("LOCAL", ("127.0.0.1", "localhost")),
        ("KNOWN", CLIENT),
        ("UNKNOWN", NO_NAME),
        ("UNKNOWN", ("", UNKNOWN)),
        ("PARANOID", ("10.0.0.5", PARANOID)),
    ],
)
def test_a_pattern_matches(pattern: str, host: tuple[str, str]) -> None:
    assert matches(pattern, *host)


@pytest.mark.parametrize(
    ("pattern", "host"),
    [
        ("10.0.0.50", NO_NAME),
        ("11.", NO_NAME),
        ("10.0.1.0/24", NO_NAME),
        ("[2001:db8::6]", CLIENT6),
        ("[2001:db8:1::]/48", CLIENT6),
        ("[fe80::1%eth1]", ("fe80::1%eth0", UNKNOWN)),
        ("[::]/0", NO_NAME),
        ("0.0.0.0/0", CLIENT6),
        (".example.com", ("10.0.0.5", "example.com")),
        (".example.com", ("10.0.0.5", "client.example.com.evil.example")),
        ("client", CLIENT),
        ("LOCAL", CLIENT),
        ("LOCAL", NO_NAME),
        ("KNOWN", NO_NAME),
        ("KNOWN", ("10.0.0.5", PARANOID)),
        ("KNOWN", ("", "client.example.com")),
        ("UNKNOWN", CLIENT),
        ("PARANOID", CLIENT),
        ("@netgroup", CLIENT),
        ("", CLIENT),
    ],
)
def test_a_pattern_does_not_match(pattern: str, host: tuple[str, str]) -> None:
    assert not matches(pattern, *host)


@pytest.mark.parametrize(
    "pattern", ["ALL", "10.0.0.5", "10.0.0.6", "10.", "10.0.0.0/8", "[::1]", "[::]/0", "@netgroup"]
)
def test_a_pattern_for_addresses_asks_for_no_name(pattern: str) -> None:
    matches(pattern, "10.0.0.5", None)


@pytest.mark.parametrize(
    "pattern", ["LOCAL", "KNOWN", "UNKNOWN", "PARANOID", ".example.com", "client", "c*", "cl."]
)
def test_a_pattern_for_names_asks_for_the_name(pattern: str) -> None:
    with pytest.raises(NameNeeded):
        matches(pattern, "10.0.0.5", None)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("0.0.0.0/0", "every address is ALL"),
        ("10.0.0.0/33", "a length is 1 to 32"),
        ("10.0.0.5/24", "bits that the mask has not"),
        ("[2001:db8::/32]", "matches nobody"),
        ("[::]/129", "matches nobody"),
        ("[::]/x", "[::]/x is taken for [::]/0"),
        ("[::ffff:10.0.0.5]", "IPv4 addresses are matched as such"),
    ],
)
def test_likely_mistakes_are_reported(pattern: str, said: str) -> None:
    assert said in "".join(warnings(pattern))


@pytest.mark.parametrize("pattern", ["10.0.0.0/8", "[2001:db8::]/32", "[::1]", ".example.com", "*"])
def test_valid_patterns_give_no_warning(pattern: str) -> None:
    assert warnings(pattern) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("10.0.0.5", 0x0A000005),
        ("0x0a.0.0.05", 0x0A000005),
        ("10.0.5", None),
        ("10.0.0.256", None),
        ("10.0.0.08", None),
        ("10.0.0.5 ", None),
        ("10..0.5", None),
        ("255.255.255.255", None),
        (f"{'0' * 40}.0.0.0", None),
    ],
)
def test_addresses_are_read_as_by_c(text: str, number: int | None) -> None:
    assert ipv4_of(text) == number


def test_brackets_protect_separators() -> None:
    assert split_at("[::1]:b", ":") == ("[::1]", "b")
    assert split_at("a]:b", ":") == ("a]:b", None)
    assert split_at("a:b:c", ":") == ("a", "b:c")
    assert split_behind("@group", "@") == ("@group", None)
    assert split_behind("user@host", "@") == ("user", "host")


@pytest.mark.parametrize(
    ("pattern", "word", "expected"),
    [
        ("ALL", "portmap", True),
        ("PortMap", "portmap", True),
        ("port*", "portmap", True),
        ("KNOWN", "portmap", True),
        ("KNOWN", UNKNOWN, False),
        ("UNKNOWN", UNKNOWN, True),
        ("rpcbind", "portmap", False),
    ],
)
def test_words_are_matched_too(pattern: str, word: str, expected: bool) -> None:
    assert word_matches(pattern, word) is expected


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_wildcards_are_those_of_the_shell(pattern: str, text: str) -> None:
    # Two stars at the end want a character, in libwrap and here.
    stem, end = (pattern.rstrip("*"), ".+") if pattern.endswith("**") else (pattern, "")
    expression = stem.replace("?", ".").replace("*", ".*") + end

    assert glob_matches(pattern, text) is (re.fullmatch(expression, text) is not None)


def test_a_long_name_cannot_keep_us_busy() -> None:
    began = time.process_time()

    assert not glob_matches("*a" * 20 + "b", "a" * 250)

    assert time.process_time() - began < 0.1
