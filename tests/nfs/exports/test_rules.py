"""``oncrpc.nfs.exports.rules``: the entry that decides about a host."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.background import LIFETIME, OLDEST
from oncrpc.nfs.exports.lookup import HostLookups
from oncrpc.nfs.exports.parse import ClientEntry, parse_exports
from oncrpc.nfs.exports.rules import NAMED_LIFETIME, ExportRules
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.testing import ManualClock
from support.fake_name_service import FakeNames, host
from support.loops import run

CLASSES = ["pc.example.org", "192.0.2.0/24", "*.example.org", "@trusted", "*", "gss/krb5"]
"""A client of each class that has 192.0.2.1, in the order of precedence; the last has nobody."""


def names() -> FakeNames:
    return FakeNames(
        addresses={"pc.example.org": ["192.0.2.1"], "two": ["192.0.2.2"]},
        names={"192.0.2.1": ["pc.example.org"], "192.0.2.66": ["pc.example.org"]},
        netgroups={"trusted": ["pc.example.org"]},
    )


def entries(*clients: str) -> list[ClientEntry]:
    return parse_exports(f"/srv {' '.join(clients)}".encode(), "exports").entries


def ruled(caller: str, *clients: str, service: FakeNames | None = None) -> str | None:
    """The client that decides about a host."""

    async def main() -> str | None:
        rules = ExportRules(HostLookups(service or names()), entries(*clients))
        await rules.ready(caller)
        entry = rules.ruling(caller).entry
        return None if entry is None else entry.client.text

    return run(main())


@pytest.mark.parametrize("missing", range(len(CLASSES)))
def test_classes_have_the_precedence_of_the_manual(missing: int) -> None:
    left = CLASSES[missing:]

    assert ruled("192.0.2.1", *left) == (left[0] if left != ["gss/krb5"] else None)
    assert ruled("192.0.2.1", *reversed(left)) == ruled("192.0.2.1", *left)


def test_order_does_not_matter_between_classes() -> None:
    found = {ruled("192.0.2.1", *order) for order in permutations(CLASSES[1:4])}

    assert found == {"192.0.2.0/24"}


@pytest.mark.parametrize(
    "same",
    [
        ["192.0.2.0/24", "192.0.0.0/16"],
        ["192.0.0.0/16", "192.0.2.0/24"],
        ["*.example.org", "pc*"],
        ["pc.example.org", "192.0.2.1"],
        ["192.0.2.1", "pc.example.org"],
    ],
)
def test_first_of_a_class_counts(same: list[str]) -> None:
    assert ruled("192.0.2.1", *same) == same[0]


@pytest.mark.parametrize(
    ("caller", "clients", "client"),
    [
        ("::ffff:192.0.2.1", ["192.0.2.1"], "192.0.2.1"),
        ("192.0.2.1", ["::ffff:192.0.2.1"], "::ffff:192.0.2.1"),
        ("fe80::1%eth0", ["fe80::1"], "fe80::1"),
        ("fe80::1%eth0", ["fe80::/10"], "fe80::/10"),
        ("192.0.2.66", ["*.example.org"], None),  # its name is that of another host
        ("192.0.2.66", ["@trusted"], None),
        ("192.0.2.66", ["pc.example.org"], None),
        ("192.0.2.9", ["*.example.org", "192.0.2.1", "two"], None),
        ("memory", ["192.0.2.0/24", "0.0.0.0/0", "::/0"], None),
        ("memory", ["*"], "*"),
    ],
)
def test_host_matches(caller: str, clients: list[str], client: str | None) -> None:
    assert ruled(caller, *clients) == client


def test_options_are_those_of_the_entry() -> None:
    rules = ExportRules(HostLookups(names()), entries("192.0.2.1(rw)", "192.0.2.0/24(ro)"))
    first, second = rules.options_for("192.0.2.1"), rules.options_for("192.0.2.2")

    assert first is not None
    assert second is not None
    assert (first.ro, second.ro) == (False, True)
    assert rules.options_for("198.51.100.1") is None


def test_entry_with_an_error_keeps_later_ones_away() -> None:
    rules = ExportRules(HostLookups(names()), entries("192.0.2.1(ro,oops)", "*(rw)"))

    assert rules.options_for("192.0.2.1") is None
    assert rules.options_for("192.0.2.2") is not None


@pytest.mark.parametrize(
    ("broken", "refused", "granted"),
    [
        ("10.4(ro)", "192.0.2.2", "192.0.2.1"),
        ("192.0.2.0/99(ro)", "198.51.100.1", "192.0.2.2"),
    ],
)
def test_unreadable_client_may_be_anybody(broken: str, refused: str, granted: str) -> None:
    found = entries(broken, "192.0.2.1", "192.0.2.0/24", "*(rw)")
    rules = ExportRules(HostLookups(names()), found)

    assert rules.options_for(refused) is None
    assert rules.options_for(granted) is not None


def test_caller_must_retry_during_a_look_up() -> None:
    service = names()
    service.may.clear()

    async def main() -> None:
        rules = ExportRules(HostLookups(service), entries("pc.example.org(rw)", "*(ro)"))
        with pytest.raises(NfsError) as caught:
            rules.options_for("192.0.2.1")
        assert caught.value.status is nfsstat3.NFS3ERR_JUKEBOX
        service.may.set()
        await rules.ready("192.0.2.1")
        found = rules.options_for("192.0.2.1")
        assert found is not None
        assert not found.ro

    run(main())


def test_name_that_cannot_matter_is_not_asked() -> None:
    service = names()
    service.may.clear()

    async def main() -> None:
        rules = ExportRules(HostLookups(service), entries("*.example.org", "192.0.2.0/24(rw)"))
        assert rules.options_for("192.0.2.1") is not None
        assert service.asked == []

    run(main())


def test_names_of_a_class_are_asked_together() -> None:
    service = names()

    async def main() -> None:
        lookups = HostLookups(service)
        rules = ExportRules(lookups, entries("pc.example.org", "two", "*.example.org"))
        with pytest.raises(NfsError):
            rules.options_for("192.0.2.2")
        await rules.ready("192.0.2.2")

    run(main())
    assert sorted(service.asked) == ["pc.example.org", "two"]


def test_names_are_prepared_before_the_first_caller() -> None:
    async def main() -> None:
        lookups = HostLookups(names())
        rules = ExportRules(lookups, entries("pc.example.org", "two", "*.example.org"))
        rules.prepare()
        await lookups.wait()
        while lookups.has_address("two", host("192.0.2.2")) is None:
            await lookups.wait()
        assert rules.options_for("192.0.2.2") is not None

    run(main())


def test_waiting_for_a_name_ends() -> None:
    service = names()
    service.may.clear()

    async def main() -> None:
        rules = ExportRules(HostLookups(service), entries("pc.example.org"))
        await rules.ready("192.0.2.1", deadline=0.01)
        with pytest.raises(NfsError):
            rules.options_for("192.0.2.1")
        service.may.set()

    run(main())


def test_name_that_moves_is_noticed() -> None:
    clock, service = ManualClock(), names()

    async def main() -> list[bool]:
        rules = ExportRules(HostLookups(service, clock=clock), entries("pc.example.org"))
        found = []
        for pause in (0, NAMED_LIFETIME, LIFETIME, OLDEST):
            clock.advance(pause)
            await rules.ready("192.0.2.1")
            found.append(rules.options_for("192.0.2.1") is not None)
            if pause == NAMED_LIFETIME:
                service.addresses["pc.example.org"] = ["192.0.2.9"]
        return found

    assert run(main()) == [True, True, True, False]


def test_ruling_is_cached_until_the_rules_change() -> None:
    rules = ExportRules(HostLookups(names()), entries("192.0.2.1"))
    first = rules.ruling("192.0.2.1")

    assert rules.ruling("192.0.2.1") is first
    rules.replace(())
    assert rules.options_for("192.0.2.1") is None


@given(st.lists(st.sampled_from(["192.0.2.1", "192.0.2.0/30", "192.0.0.0/8", "*", "10.0.0.0/8"])))
def test_rules_of_addresses_follow_a_model(clients: list[str]) -> None:
    rules = ExportRules(HostLookups(names()), entries("198.51.100.7", *clients))
    order = ["192.0.2.1", "/", "*"]
    model = [
        client
        for form in order
        for client in clients
        if form in client and not client.startswith("10.") and ("/" in client) == (form == "/")
    ]

    entry = rules.ruling("192.0.2.1").entry
    assert (None if entry is None else entry.client.text) == (model[0] if model else None)
