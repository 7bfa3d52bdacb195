"""Who may register under which name, and what is never called for others."""

from __future__ import annotations

import pytest

from oncrpc.portmap.ownership import Rules, owner_of
from oncrpc.rpc import Caller
from support.callers import (
    FORGED,
    LOCAL_UDP,
    LOOPBACK6,
    REMOTE,
    REMOTE6,
    RESERVED,
    ROOT,
    STATD,
    UNRESERVED,
    changed,
    registered,
)


@pytest.mark.parametrize(
    ("caller", "owner"),
    [
        (ROOT, b"superuser"),
        (STATD, b"103"),
        (RESERVED, b"superuser"),
        (UNRESERVED, b"unknown"),
        (LOOPBACK6, b"unknown"),
        (LOCAL_UDP, b"unknown"),
    ],
)
def test_a_local_caller_registers_under_what_it_proves(caller: Caller, owner: bytes) -> None:
    assert owner_of(caller) == owner
    assert owner_of(caller, insecure=True) == owner


@pytest.mark.parametrize(
    "caller",
    [
        REMOTE,
        REMOTE6,
        FORGED,
        changed(RESERVED, source=("127.0.0.2", 700, 0)),
        changed(RESERVED, source=("192.0.2.1", 700, 0)),
        changed(RESERVED, source=("", 0, 0)),
    ],
    ids=["remote", "remote6", "forged", "other-loopback", "own-address", "gone"],
)
def test_remote_callers_register_only_with_insecure(caller: Caller) -> None:
    assert owner_of(caller) is None
    assert owner_of(caller, insecure=True) == b"unknown"


def test_unprivileged_ports_do_not_prove_the_superuser() -> None:
    caller = Caller("tcp", ("127.0.0.1", 700, 0), ("127.0.0.1", 111, 0), loopback=True)

    assert owner_of(caller, reserved=0) == b"unknown"


@pytest.mark.parametrize("caller", [RESERVED, UNRESERVED, LOOPBACK6, LOCAL_UDP, REMOTE])
def test_local_only_refuses_other_callers(caller: Caller) -> None:
    assert owner_of(caller, local_only=True) is None
    assert owner_of(caller, local_only=True, insecure=True) is None


def test_local_only_accepts_local_callers() -> None:
    assert owner_of(ROOT, local_only=True) == b"superuser"
    assert owner_of(STATD, local_only=True) == b"103"


@pytest.mark.parametrize("owners", [[], [b"superuser"], [b"104", b"103"]])
def test_without_further_rules_nothing_is_refused(owners: list[bytes]) -> None:
    assert Rules().refusal(registered(1, 1, uaddr="0.0.0.0.0.1", owner="103"), owners) is None


@pytest.mark.parametrize(
    ("netid", "uaddr", "refused"),
    [
        ("tcp", "0.0.0.0.3.255", True),
        ("udp6", "::.0.1", True),
        ("sctp", "192.0.2.1.0.111", True),
        ("tcp", "0.0.0.0.4.0", False),
        ("tcp", "0.0.0.0.0.0", False),
        ("local", "/run/one.0.111", False),
    ],
)
def test_reserved_ports_are_for_the_superuser(netid: str, uaddr: str, refused: bool) -> None:
    rules = Rules(reserved_ports=True)

    for owner in ("103", "unknown"):
        entry = registered(1, 1, netid, uaddr, owner)
        assert (rules.refusal(entry, []) is not None) is refused
    assert rules.refusal(registered(1, 1, netid, uaddr, "superuser"), []) is None


@pytest.mark.parametrize(
    ("owners", "refused"),
    [
        ([], False),
        ([b"103"], False),
        ([b"superuser"], True),
        ([b"104"], True),
        ([b"103", b"104"], True),
    ],
)
def test_without_foreign_versions_a_program_has_one_owner(
    owners: list[bytes], refused: bool
) -> None:
    rules = Rules(foreign_versions=False)

    assert (rules.refusal(registered(1, 2, owner="103"), owners) is not None) is refused
    assert rules.refusal(registered(1, 2, owner="superuser"), owners) is None


def test_only_the_superuser_registers_the_mapper() -> None:
    """Otherwise a caller that asks for a missing version would be sent to that registration."""
    assert Rules().refusal(registered(100000, 5, owner="1000"), []) is not None
    assert Rules().refusal(registered(100000, 5, owner="superuser"), []) is None
