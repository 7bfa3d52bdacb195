"""The registry's rules by example, and against a model that is as simple as can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.daemon.state.records import TableOperation
from oncrpc.portmap.registry import Registry, port_of, usable
from oncrpc.programs.portmap import mapping
from oncrpc.programs.rpcb import rpcb
from support.callers import registered, triples

SUPERUSER, STATD_OWNER, OTHER = b"superuser", b"103", b"65534"


def registry(*entries: rpcb) -> Registry:
    """A registry that took the entries in this order."""
    made = Registry()
    for entry in entries:
        assert made.set(entry)
    return made


def test_a_dump_is_in_order_of_registration() -> None:
    table = registry(registered(3, 1), registered(1, 2), registered(2, 1, "udp"))

    assert triples(list(table)) == [(3, 1, "tcp"), (1, 2, "tcp"), (2, 1, "udp")]


def test_same_address_again_keeps_the_owner() -> None:
    table = registry(registered(1, 1, owner="103"))
    generation = table.generation

    assert table.set(registered(1, 1, owner="superuser"))

    assert [entry.r_owner for entry in table] == [STATD_OWNER]
    assert table.generation == generation


def test_another_address_is_false_and_changes_nothing() -> None:
    table = registry(registered(1, 1, uaddr="0.0.0.0.8.1"))

    assert not table.set(registered(1, 1, uaddr="0.0.0.0.8.2"))

    assert [entry.r_addr for entry in table] == [b"0.0.0.0.8.1"]


def test_each_netid_has_its_own_address() -> None:
    table = registry(registered(1, 1, "tcp"), registered(1, 1, "udp", "0.0.0.0.8.2"))

    assert len(table) == 2


def test_the_asked_version_is_found() -> None:
    table = registry(registered(1, 3, uaddr="0.0.0.0.0.3"), registered(1, 4, uaddr="0.0.0.0.0.4"))

    found = table.find(1, 3, b"tcp")

    assert found is not None
    assert found.r_addr == b"0.0.0.0.0.3"


def test_missing_version_finds_the_last_registered() -> None:
    table = registry(registered(1, 4), registered(1, 3), registered(1, 9, "udp"))

    found = table.find(1, 2, b"tcp")

    assert found is not None
    assert found.r_vers == 3


def test_reregistered_entry_moves_to_the_end() -> None:
    table = registry(registered(1, 4), registered(1, 3))
    table.unset(1, 4, (b"tcp",), owner=SUPERUSER)
    table.set(registered(1, 4))

    found = table.find(1, 0, b"tcp")

    assert found is not None
    assert found.r_vers == 4


def test_no_other_version_is_found_exactly() -> None:
    table = registry(registered(1, 4))

    assert table.find_exactly(1, 3, b"tcp") is None
    assert table.find_exactly(1, 4, b"tcp") is not None


def test_nothing_is_found_on_another_netid() -> None:
    assert registry(registered(1, 4)).find(1, 4, b"udp") is None


def test_unset_with_a_netid_removes_that_one() -> None:
    table = registry(registered(1, 1, "tcp"), registered(1, 1, "udp"))

    assert table.unset(1, 1, (b"tcp",), owner=SUPERUSER)

    assert triples(list(table)) == [(1, 1, "udp")]


def test_unset_without_netid_removes_every_transport() -> None:
    table = registry(registered(1, 1, "tcp"), registered(1, 1, "udp"), registered(1, 2, "udp"))

    assert table.unset(1, 1, (b"",), owner=SUPERUSER)

    assert triples(list(table)) == [(1, 2, "udp")]


def test_unset_of_nothing_is_true() -> None:
    table = registry(registered(1, 1))

    assert table.unset(1, 2, (b"tcp",), owner=STATD_OWNER)
    assert table.unset(2, 1, (b"",), owner=STATD_OWNER)

    assert table.generation == 1


def test_unset_of_somebody_elses_is_false() -> None:
    table = registry(registered(1, 1, owner="103"))

    assert not table.unset(1, 1, (b"tcp",), owner=OTHER)

    assert len(table) == 1


def test_unset_without_netid_is_all_or_nothing() -> None:
    table = registry(
        registered(1, 1, "tcp", owner="103"),
        registered(1, 1, "udp", owner="65534"),
        registered(1, 1, "tcp6", "::.8.1", owner="103"),
    )

    assert not table.unset(1, 1, (b"",), owner=STATD_OWNER)

    assert len(table) == 3


def test_the_superuser_removes_anything() -> None:
    table = registry(registered(1, 1, owner="103"), registered(1, 1, "udp", owner="65534"))

    assert table.unset(1, 1, (b"",), owner=SUPERUSER)

    assert len(table) == 0


def test_netids_are_compared_without_case() -> None:
    table = registry(registered(1, 1, "TCP"))

    assert not table.set(registered(1, 1, "tcp", "0.0.0.0.8.2"))
    assert table.find(1, 1, b"Tcp") is not None
    assert table.unset(1, 1, (b"tcp",), owner=SUPERUSER)


def test_version_2_sees_tcp_and_udp_by_port() -> None:
    table = registry(
        registered(1, 1, "tcp", "10.0.0.1.8.1"),
        registered(1, 1, "tcp6", "::.8.1"),
        registered(1, 1, "local", "/run/one.sock"),
        registered(1, 2, "udp", "0.0.0.0.8.2"),
    )

    assert list(table.mappings()) == [mapping(1, 1, 6, 2049), mapping(1, 2, 17, 2050)]


def test_version_2_sees_a_netid_in_capitals_too() -> None:
    table = registry(registered(1, 1, "UDP"))

    assert list(table.mappings()) == [mapping(1, 1, 17, 2049)]


@pytest.mark.parametrize(
    ("netid", "uaddr"),
    [
        ("tcp", "0.0.0.0.8.1"),
        ("udp", "10.0.0.1.0.0"),
        ("tcp6", "::.8.1"),
        ("udp6", "::ffff:10.0.0.1.8.1"),
        ("sctp", "0.0.0.0.8.1"),
        ("rdma6", "::.8.1"),
        ("local", "/run/one.sock"),
        ("ticots", "@one"),
    ],
)
def test_known_netid_with_its_address_is_usable(netid: str, uaddr: str) -> None:
    assert usable(netid.encode(), uaddr.encode())


@pytest.mark.parametrize(
    ("netid", "uaddr"),
    [
        ("", "0.0.0.0.8.1"),
        ("foonet", "0.0.0.0.8.1"),
        ("tcp", ""),
        ("tcp", "0.0.0.0"),
        ("tcp", "0.0.0.0.999.999"),
        ("tcp", "::.8.1"),
        ("tcp6", "0.0.0.0.8.1"),
        ("sctp6", "0.0.0.0.8.1"),
        ("tcp", "localhost.8.1"),
        ("local", ""),
        ("local", "x" * 256),
        ("tcp6", "fe80::1%" + "x" * 255 + ".8.1"),
        ("local", "/run/one\n"),
        ("local", "/run/\x1b[2J"),
        ("tcp\u00e9", "0.0.0.0.8.1"),
        ("local", "/run/\u00e9"),
    ],
)
def test_unknown_netid_or_malformed_address_is_refused(netid: str, uaddr: str) -> None:
    assert not Registry().set(registered(1, 1, netid, uaddr))


def test_a_full_registry_refuses_and_gives_room_again() -> None:
    table = Registry(limit=1)
    assert table.set(registered(1, 1))

    assert not table.set(registered(1, 2))
    assert table.set(registered(1, 1))

    assert table.unset(1, 1, (b"",), owner=SUPERUSER)
    assert table.set(registered(1, 2))


def test_range_has_versions_of_the_netid() -> None:
    table = registry(registered(1, 4), registered(1, 2), registered(1, 9, "udp"))

    assert table.range_of(1, b"TCP") == (2, 4)


def test_an_address_without_port_has_port_0() -> None:
    assert port_of(b"/run/one.sock") == 0


def test_every_lists_netids_in_order() -> None:
    table = registry(registered(1, 1, "udp"), registered(1, 2), registered(1, 1, "tcp"))

    assert triples(table.every(1, 1)) == [(1, 1, "udp"), (1, 1, "tcp")]


class Observer:
    """Notes the netids of each change, or refuses it."""

    def __init__(self, error: OSError | None = None) -> None:
        self.error = error
        self.seen: list[tuple[TableOperation, list[str]]] = []

    def changing(self, operation: TableOperation, entries: Sequence[rpcb]) -> None:
        if self.error is not None:
            raise self.error
        self.seen.append((operation, [entry.r_netid.decode() for entry in entries]))


def test_several_netids_are_taken_back_as_one_change() -> None:
    table = registry(
        registered(1, 1, "tcp", owner="103"),
        registered(1, 1, "udp", owner="65534"),
        registered(1, 1, "tcp6", "::.8.1", owner="103"),
    )
    observer = Observer()
    table.observers.append(observer)

    assert table.unset(1, 1, (b"tcp", b"udp", b"tcp6"), owner=STATD_OWNER)
    assert not table.unset(1, 1, (b"udp", b""), owner=STATD_OWNER)

    assert observer.seen == [(TableOperation.UNSET, ["tcp", "tcp6"])]
    assert triples(list(table)) == [(1, 1, "udp")]


def test_a_registration_is_dropped_only_as_it_is() -> None:
    table = registry(registered(1, 1, "TCP", owner="103"), registered(1, 1, "udp"))

    assert not table.drop(registered(1, 1, "TCP", "0.0.0.0.8.2", "103"))
    assert not table.drop(registered(1, 1, "TCP"))
    assert not table.drop(registered(2, 1))
    assert table.drop(registered(1, 1, "TCP", owner="103"))

    assert triples(list(table)) == [(1, 1, "udp")]
    assert table.generation == 3


def test_change_that_an_observer_refuses_is_not_made() -> None:
    table = registry(registered(1, 1, owner="103"), registered(2, 1))
    before = list(table)

    later = Observer()
    table.observers += [Observer(OSError("full")), later]
    changes: list[Callable[[], bool]] = [
        lambda: table.set(registered(3, 1)),
        lambda: table.unset(1, 1, (b"",), owner=STATD_OWNER),
        lambda: table.drop(registered(2, 1)),
    ]
    for change in changes:
        with pytest.raises(OSError, match="full"):
            change()

    assert (list(table), table.generation) == (before, 2)
    assert later.seen == []
    assert list(table.owners(1)) == [STATD_OWNER]
    assert list(table.owners(3)) == []


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_any_netid_and_address_are_judged(netid: bytes, address: bytes) -> None:
    assert usable(netid, address) in (True, False)


def test_one_owner_cannot_fill_the_table() -> None:
    table = Registry(owner_limit=2)
    entries = [rpcb(prog, 1, b"tcp", b"0.0.0.0.8.1", b"1000") for prog in range(400000, 400003)]

    assert [table.set(entry) for entry in entries] == [True, True, False]
    assert table.unset(400000, 1, (b"",), owner=b"1000")
    assert table.set(entries[2])


def test_half_of_the_table_is_the_superusers() -> None:
    table = Registry(limit=4)
    others = [rpcb(400000, vers, b"tcp", b"0.0.0.0.8.1", str(vers).encode()) for vers in (1, 2, 3)]
    own = [rpcb(500000, vers, b"tcp", b"0.0.0.0.8.1", b"superuser") for vers in (1, 2, 3)]

    assert [table.set(entry) for entry in others] == [True, True, False]
    assert [table.set(entry) for entry in own] == [True, True, False]


def test_limits_do_not_apply_to_restored_registrations() -> None:
    registry = Registry(limit=2, owner_limit=1)

    with registry.without_limits():
        back = [registry.set(rpcb(n, 1, b"tcp", b"0.0.0.0.8.1", b"1000")) for n in range(5)]

    assert back == [True] * 5
    assert not registry.set(rpcb(9, 1, b"tcp", b"0.0.0.0.8.1", b"1000"))
    assert (registry.limit, registry.owner_limit) == (2, 1)
