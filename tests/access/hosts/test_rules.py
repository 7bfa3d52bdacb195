"""The two files, judged: which rule decides about a client of two daemons."""

from __future__ import annotations

import pytest

from oncrpc.access.hosts.patterns import NameNeeded, host_at
from oncrpc.access.hosts.reader import parse
from oncrpc.access.hosts.rules import NO_RULE, DaemonId, HostsDecision, HostsFile, judge
from oncrpc.portmap.vocabulary import hosts_daemon

HERE = host_at("192.0.2.1", "unknown")


def no_list(path: str) -> str:
    raise FileNotFoundError(path)


def file_of(text: str, *, allows: bool) -> HostsFile:
    path = "/etc/hosts.allow" if allows else "/etc/hosts.deny"
    return parse(text, hosts_daemon(), path=path, allows=allows, read_list=no_list)


def decide(
    allow: str, deny: str, address: str = "10.0.0.5", name: str | None = None
) -> HostsDecision:
    return judge(
        file_of(allow, allows=True),
        file_of(deny, allows=False),
        client=host_at(address, name),
        local=HERE,
    )


def test_without_a_rule_everybody_may_call() -> None:
    assert decide("", "") == NO_RULE
    assert decide("portmap: 11.\n", "rpcbind: 12.\n") == NO_RULE


def test_decision_names_file_line_and_rule() -> None:
    assert decide("", "# nobody\n\nALL: ALL\n") == HostsDecision(
        False, "hosts.deny line 3: ALL: ALL"
    )


NFSD = DaemonId(frozenset({"nfsd"}), 2049)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [("nfsd: ALL\n", False), ("2049: ALL\n", False), ("ALL: ALL\n", False),
     ("portmap, rpcbind: ALL\n", True), ("111: ALL\n", True)],
)  # fmt: skip
def test_rules_of_other_daemons_do_not_match(text: str, allowed: bool) -> None:
    nothing, deny = (
        parse(each, NFSD, path="/etc/hosts", allows=False, read_list=no_list) for each in ("", text)
    )

    assert judge(nothing, deny, client=host_at("10.0.0.5"), local=HERE).allowed is allowed


@pytest.mark.parametrize("daemon", ["portmap", "rpcbind", "ALL"])
def test_allow_for_either_name_is_enough(daemon: str) -> None:
    assert decide(f"{daemon}: 10.\n", "ALL: ALL\n").allowed


@pytest.mark.parametrize("daemon", ["portmap", "rpcbind", "ALL"])
def test_deny_for_either_name_is_enough(daemon: str) -> None:
    assert not decide("", f"{daemon}: 10.\n").allowed


@pytest.mark.parametrize(
    ("allow", "deny", "expected"),
    [
        ("portmap: 10.: deny\n", "", False),
        ("portmap: 10.: deny\nrpcbind: 10.\n", "ALL: ALL\n", True),
        ("portmap: 10.: deny\nportmap: ALL\n", "", False),
        ("ALL: 10.: deny\nALL: ALL\n", "", False),
        ("", "ALL: 10.: allow\nALL: ALL\n", True),
        ("", "portmap: 10.: allow\nALL: ALL\n", False),
        ("", "portmap: 10.: allow\n", True),
        ("portmap: 10.: twist echo\n", "", False),
        ("", "portmap: 10.: spawn echo\n", False),
        ("portmap: 10.: spawn echo\n", "ALL: ALL\n", True),
    ],
)
def test_the_first_rule_for_each_name_decides(allow: str, deny: str, expected: bool) -> None:
    assert decide(allow, deny).allowed is expected


def test_allowing_decision_names_its_rule() -> None:
    by = "hosts.deny line 1: portmap: 10.: allow"

    assert decide("", "portmap: 10.: allow\n") == HostsDecision(True, by)


def test_name_is_needed_only_if_it_decides() -> None:
    allow = "portmap: 10.0.0.5\nportmap: .example.com\n"

    assert decide(allow, "ALL: ALL\n").allowed
    with pytest.raises(NameNeeded):
        decide(allow, "ALL: ALL\n", "10.0.0.6")
    assert decide(allow, "ALL: ALL\n", "10.0.0.6", "a.example.com").allowed
    assert not decide(allow, "ALL: ALL\n", "10.0.0.6", "unknown").allowed
