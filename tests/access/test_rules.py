"""The rules: which of them is about a caller, and which decides a call."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.access.rules import (
    LOCAL,
    LOOPBACK,
    Asker,
    Decision,
    Netid,
    Network,
    ProgramNumber,
    Relevant,
    Rule,
    RuleOrigin,
    Then,
    address_of,
    relevant,
)
from oncrpc.portmap.config import SCHEMA
from oncrpc.portmap.vocabulary import VOCABULARY
from oncrpc.rpc import Caller
from support.callers import FORGED, LOCAL_UDP, REMOTE, REMOTE6, STATD, UNRESERVED

MOUNTD, NFS = 100005, 100003


def network(text: str) -> RuleOrigin:
    return RuleOrigin(text, ip_network(text))


def rule(then: Then = "deny", /, **keys: object) -> Rule:
    """A rule; keys as lists of plain values."""
    kinds = {
        "netid": Netid,
        "procedure": VOCABULARY.procedure_named,
        "program": ProgramNumber,
        "uid": int,
    }
    given = {key: tuple(map(kinds[key], keys[key])) for key in kinds if key in keys}  # type: ignore[call-overload]  # lists, as the tests say
    places = [str(place) for place in keys.get("from_", ())]  # type: ignore[attr-defined]
    if places:
        places = [RuleOrigin(p) if p in (LOCAL, LOOPBACK) else network(p) for p in places]
        given["from_"] = tuple(places)
    return Rule(then=then, **given)


def about(rules: list[Rule], caller: Caller) -> Relevant:
    return relevant(rules, Asker.of(caller))


@pytest.mark.parametrize(
    ("from_", "caller", "expected"),
    [
        (["192.0.2.0/24"], REMOTE, True),
        (["192.0.3.0/24"], REMOTE, False),
        (["192.0.3.0/24", "192.0.2.9/32"], REMOTE, True),
        (["2001:db8::/32"], REMOTE6, True),
        (["2001:db8::/32"], REMOTE, False),
        (["0.0.0.0/0"], REMOTE6, False),
        (["0.0.0.0/0"], STATD, False),
        (["local"], STATD, True),
        (["local"], UNRESERVED, False),
        (["loopback"], UNRESERVED, True),
        (["loopback"], LOCAL_UDP, True),
        (["loopback"], FORGED, False),
        (["127.0.0.0/8"], FORGED, True),
        (["loopback"], STATD, False),
        (["loopback"], REMOTE, False),
    ],
)
def test_from_says_where_a_call_comes_from(
    from_: list[str], caller: Caller, expected: bool
) -> None:
    assert rule(from_=from_).is_about(Asker.of(caller)) is expected


def test_loopback_is_the_address_and_the_interface() -> None:
    own = Caller("udp", ("192.0.2.1", 700, 0), ("192.0.2.1", 111, 0), loopback=True, datagram=True)

    assert not rule(from_=["loopback"]).is_about(Asker.of(own))


def test_mapped_address_is_an_ipv4_address() -> None:
    mapped = Caller("tcp6", ("::ffff:192.0.2.9", 700, 0), ("::ffff:192.0.2.1", 111, 0))

    assert rule(from_=["192.0.2.0/24"]).is_about(Asker.of(mapped))


def test_zone_is_not_part_of_an_address() -> None:
    assert address_of("fe80::1%lan0") == ip_address("fe80::1")


def test_netid_and_uid_have_to_fit_too() -> None:
    assert rule(netid=["tcp"]).is_about(Asker.of(REMOTE))
    assert not rule(netid=["udp"]).is_about(Asker.of(REMOTE))
    assert rule(uid=[0, 103]).is_about(Asker.of(STATD))
    assert not rule(uid=[1000]).is_about(Asker.of(STATD))
    assert not rule(uid=[0]).is_about(Asker.of(REMOTE))


def test_a_rule_without_keys_fits_every_call() -> None:
    assert about([rule()], REMOTE).decide("DUMP") == Decision("deny", 0)
    assert about([rule()], STATD).decide("SET", NFS) == Decision("deny", 0)


def test_the_first_rule_that_fits_decides() -> None:
    rules = [
        rule(from_=["198.51.100.0/24"]),
        rule("allow", program=[MOUNTD]),
        rule("silent", procedure=["GETPORT"]),
        rule(),
    ]

    assert about(rules, REMOTE).decide("GETPORT", MOUNTD) == Decision("allow", 1)
    assert about(rules, REMOTE).decide("GETPORT", NFS) == Decision("silent", 2)
    assert about(rules, REMOTE).decide("DUMP") == Decision("deny", 3)


def test_where_no_rule_fits_nothing_is_decided() -> None:
    assert about([rule(procedure=["SET"])], REMOTE).decide("DUMP") is None
    assert about([], REMOTE).decide("DUMP") is None


def test_program_rule_needs_a_program_argument() -> None:
    assert about([rule(program=[NFS])], REMOTE).decide("DUMP") is None


def test_rules_after_a_final_one_are_dropped() -> None:
    found = about([rule("allow", from_=["192.0.2.0/24"]), rule()], REMOTE)

    assert [number for number, _ in found.rules] == [0]
    assert found.exhaustive
    assert found.open


def test_caller_with_refusing_rule_is_not_open() -> None:
    rules = [rule("allow", procedure=["DUMP"]), rule("silent", program=[NFS])]

    assert not about(rules, REMOTE).open
    assert about(rules[:1], REMOTE).open
    assert not about(rules[:1], REMOTE).exhaustive


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"program": [NFS], "procedure": ["DUMP", "GETSTAT"]}, "program number"),
        ({"uid": [5], "from_": ["loopback"]}, 'from has no "local"'),
        ({"uid": [5], "netid": ["tcp"]}, 'netid has no "local"'),
    ],
)
def test_a_rule_that_can_fit_nothing_is_refused(keys: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rule(**keys)


def test_a_rule_reads_as_it_is_written() -> None:
    made = rule("silent", from_=["10.0.0.0/8", "local"], program=[MOUNTD, 7], uid=[0])

    assert str(made) == (
        'from = ["10.0.0.0/8", "local"], program = ["mountd", 7], uid = [0], then = "silent"'
    )


def test_default_policy_refuses_and_trusts_nobody() -> None:
    assert SCHEMA.type().rule == ()
    assert SCHEMA.type().trusted_networks == []
    assert SCHEMA.type(trusted=(Network(ip_network("::/0")),)).trusted_networks == [
        ip_network("::/0")
    ]


HOSTS = ("10.1.2.3", "10.1.2.4", "127.0.0.1", "192.0.2.9", "::1", "2001:db8::9")
NETWORKS = ("10.0.0.0/8", "10.1.2.3/32", "127.0.0.0/8", "0.0.0.0/0", "::/0", "2001:db8::/56")
PROGRAMS = (NFS, MOUNTD, 7)
NETIDS = ("udp", "tcp", "udp6", "tcp6", "local")


def some(values: tuple[object, ...]) -> st.SearchStrategy[list[object]]:
    return st.lists(st.sampled_from(values), max_size=2)


@st.composite
def rules_of_all_kinds(draw: st.DrawFn) -> Rule:
    keys = {
        "from_": draw(some((*NETWORKS, LOCAL, LOOPBACK))),
        "netid": draw(some(NETIDS)),
        "procedure": draw(some(tuple(sorted(VOCABULARY.in_rules)))),
        "program": draw(some(PROGRAMS)),
        "uid": draw(some((0, 103))),
    }
    keys = {key: values for key, values in keys.items() if values}
    try:
        return rule(draw(st.sampled_from(("allow", "deny", "silent"))), **keys)
    except ValueError:
        return rule("silent")


@st.composite
def askers(draw: st.DrawFn) -> Asker:
    netid = draw(st.sampled_from(NETIDS))
    if netid == LOCAL:
        return Asker(LOCAL, None, draw(st.sampled_from((0, 103, 1000))))
    six = netid.endswith("6")
    address = ip_address(draw(st.sampled_from([h for h in HOSTS if (":" in h) == six])))
    return Asker(netid, address, None, address.is_loopback and draw(st.booleans()))


def fits_naively(made: Rule, asker: Asker, procedure: str, prog: int | None) -> bool:
    """The documented meaning of a rule, key by key."""
    places = []
    for place in made.from_:
        if place == LOCAL:
            places.append(asker.netid == LOCAL)
        elif place == LOOPBACK:
            places.append(asker.loopback)
        else:
            places.append(asker.address is not None and asker.address in ip_network(str(place)))
    return (
        (not made.from_ or any(places))
        and (not made.netid or asker.netid in made.netid)
        and (not made.uid or asker.uid in made.uid)
        and (not made.procedure or procedure in made.procedure)
        and (not made.program or prog in made.program)
    )


@pytest.mark.slow
@given(
    st.lists(rules_of_all_kinds(), max_size=6),
    askers(),
    st.sampled_from(sorted(VOCABULARY.in_rules)),
    st.sampled_from(PROGRAMS),
)
def test_decision_equals_asking_each_rule(
    rules: list[Rule], asker: Asker, procedure: str, number: int
) -> None:
    prog = number if procedure in VOCABULARY.with_program else None
    fitting = [i for i, each in enumerate(rules) if fits_naively(each, asker, procedure, prog)]
    expected = Decision(rules[fitting[0]].then, fitting[0]) if fitting else None

    found = relevant(rules, asker)

    assert found.decide(procedure, prog) == expected
    assert not found.open or expected is None or expected.then == "allow"
    assert not found.exhaustive or expected is not None
