"""The address for a caller, and whether an address is this host's."""

from __future__ import annotations

import pytest

from oncrpc.portmap.merged_address import merged
from oncrpc.rpc import Caller
from support.callers import OURS, REMOTE, REMOTE6, ROOT

WILDCARD = b"0.0.0.0.8.1"


def chosen(registered: bytes, hint: bytes = b"", caller: Caller = REMOTE) -> bytes | None:
    return merged(registered, hint, caller, is_ours=OURS.__contains__)


def test_without_hint_the_asked_address_is_merged() -> None:
    assert chosen(WILDCARD) == b"192.0.2.1.8.1"
    assert chosen(b"::.8.1", caller=REMOTE6) == b"2001:db8::1.8.1"


def test_service_on_another_address_is_merged() -> None:
    assert chosen(b"198.51.100.1.8.1") == b"192.0.2.1.8.1"


def test_the_hint_is_taken_where_it_is_ours() -> None:
    assert chosen(WILDCARD, b"198.51.100.1.0.111") == b"198.51.100.1.8.1"


def test_foreign_hint_gives_the_asked_address() -> None:
    assert chosen(WILDCARD, b"203.0.113.7.0.111") == b"192.0.2.1.8.1"


@pytest.mark.parametrize("hint", [b"nonsense", b"\xff\xfe", b"/run/rpcbind.sock", b"::1.0.111"])
def test_malformed_hint_merges_nothing(hint: bytes) -> None:
    assert chosen(WILDCARD, hint) is None


@pytest.mark.parametrize("registered", [b"/run/one.sock", b"::.8.1", b""])
def test_registration_of_another_family_merges_nothing(registered: bytes) -> None:
    assert chosen(registered) is None


def test_local_socket_merges_nothing() -> None:
    assert chosen(WILDCARD, caller=ROOT) is None


def test_the_address_asked_is_not_looked_up() -> None:
    def never(host: str) -> bool:
        raise AssertionError(host)

    assert merged(WILDCARD, b"192.0.2.1.0.111", REMOTE, is_ours=never) == b"192.0.2.1.8.1"
