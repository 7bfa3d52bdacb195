from __future__ import annotations

from oncrpc.cli.rpcinfo.listing import (
    NETIDS_SHOWN,
    NOTHING,
    addresses_text,
    mapping_item,
    mappings_text,
    registration_item,
    registrations_text,
    summaries,
    summaries_text,
    summary_item,
)
from oncrpc.programs.portmap import mapping
from oncrpc.programs.rpcb import rpcb, rpcb_entry

MOUNTD = [
    rpcb(100005, vers, netid, b"0.0.0.0.78.80", owner)
    for vers, owner in ((1, b"superuser"), (3, b"103"))
    for netid in (b"udp", b"tcp")
]


def test_mappings_have_a_line_each() -> None:
    found = [mapping(100003, 3, 6, 2049), mapping(400100, 1, 17, 5), mapping(400100, 1, 132, 5)]

    assert list(mappings_text(found)) == [
        "   program vers proto   port  service",
        "    100003    3   tcp   2049  nfs",
        "    400100    1   udp      5",
        "    400100    1   132      5",
    ]


def test_a_registration_has_a_line() -> None:
    assert list(registrations_text(MOUNTD[:1])) == [
        "   program version netid     address                service    owner",
        "    100005    1    udp       0.0.0.0.78.80          mountd     superuser",
    ]


def test_a_program_without_a_name_is_a_hyphen() -> None:
    (_, line) = registrations_text([rpcb(400100, 1, b"udp", b"", b"")])

    assert line == "    400100    1    udp                              -          "


def test_server_text_cannot_move_the_cursor() -> None:
    hostile = rpcb(400100, 1, b"\x1b[2J", b"a\rb", b"\xff" * 1000)

    (_, line) = registrations_text([hostile])

    assert line.isprintable()
    assert "\\x1b[2J" in line
    assert "a\\x0db" in line
    assert line.endswith("\\xff...")


def test_summary_has_newest_versions_and_oldest_owner() -> None:
    assert list(summaries_text(summaries(MOUNTD))) == [
        "   program version(s) netid(s)                         service     owner",
        "    100005  3,1       tcp,udp                          mountd      superuser",
    ]


def test_json_summary_names_every_owner() -> None:
    (found,) = summaries(MOUNTD)

    assert summary_item(found) == {
        "program": 100005, "versions": [3, 1], "netids": ["tcp", "udp"], "service": "mountd",
        "owners": {"superuser": [1], "103": [3]},
    }  # fmt: skip


def test_wide_versions_are_followed_by_one_space() -> None:
    found = [rpcb(400100, vers, b"udp", b"", b"x") for vers in (1000000, 12)]

    (_, line) = summaries_text(summaries(found))

    assert line == "    400100  12,1000000 udp                              -           x"


def test_the_netids_of_a_summary_are_bounded() -> None:
    found = [rpcb(400100, 1, b"netid%d" % number, b"", b"x") for number in range(1000)]

    (_, line) = summaries_text(summaries(found))

    assert len(line) < NETIDS_SHOWN + 50


def test_addresses_have_their_family_protocol_and_class() -> None:
    found = [
        rpcb_entry(b"127.0.0.1.8.1", b"udp", 1, b"inet", b"udp"),
        rpcb_entry(b"::1.8.1", b"x", 2, b"inet6", b"sctp"),
        rpcb_entry(b"127.0.0.1.8.1", b"tcp", 3, b"inet", b"tcp"),
    ]

    assert list(addresses_text(400100, 3, found)) == [
        "   program vers  tp_family/name/class    address\t\t  service",
        "    400100  3    inet/udp/clts           127.0.0.1.8.1            -            ",
        "    400100  3    inet6/sctp/cots         ::1.8.1                  -            ",
        "    400100  3    inet/tcp/cots_ord       127.0.0.1.8.1            -            ",
    ]


def test_empty_registry_is_reported_as_empty() -> None:
    assert list(mappings_text([])) == [NOTHING]
    assert list(registrations_text([])) == [NOTHING]
    assert list(summaries_text([])) == [NOTHING]
    assert list(addresses_text(1, 1, [])) == [NOTHING]


def test_json_has_the_fields_by_name() -> None:
    assert mapping_item(mapping(100003, 3, 6, 2049)) == {
        "program": 100003, "version": 3, "protocol": "tcp", "port": 2049, "service": "nfs",
    }  # fmt: skip
    assert registration_item(rpcb(400100, 3, b"tcp6", b"::.8.1", b"\x01")) == {
        "program": 400100, "version": 3, "netid": "tcp6", "address": "::.8.1", "service": None,
        "owner": "\\x01",
    }  # fmt: skip
