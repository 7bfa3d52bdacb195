"""hosts.allow and hosts.deny, read: lines, lists, mistakes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.access.hosts.patterns import NameNeeded, host_at
from oncrpc.access.hosts.reader import (
    MAX_LINE,
    MAX_MESSAGE,
    MAX_NESTED,
    MAX_SHOWN,
    MAX_STARS,
    MAX_WARNINGS,
    ListUnreadable,
    parse,
    shown,
    text_of,
    unreadable,
)
from oncrpc.access.hosts.rules import HostsFile, judge
from oncrpc.portmap.vocabulary import hosts_daemon

DENY = "/etc/hosts.deny"
NO_RULES = HostsFile("/etc/hosts.allow", True)


class Lists:
    """Files of patterns, in memory."""

    def __init__(self, **texts: str) -> None:
        self.texts = {f"/{name}": text for name, text in texts.items()}
        self.read = 0

    def __call__(self, path: str) -> str:
        self.read += 1
        if path == "/secret":
            raise ListUnreadable("/secret cannot be read (permission denied)")
        if path not in self.texts:
            raise FileNotFoundError(path)
        return self.texts[path]


def denying(text: str, lists: Lists | None = None) -> HostsFile:
    return parse(text, hosts_daemon(), path=DENY, allows=False, read_list=lists or Lists())


def denied(rules: HostsFile, address: str, name: str = "unknown", *, local: str = "") -> bool:
    client, here = host_at(address, name), host_at(local, "unknown")
    return not judge(NO_RULES, rules, client=client, local=here).allowed


def test_comments_blanks_and_other_daemons_are_skipped() -> None:
    rules = denying("# ALL: ALL\n\n \t\nsshd: ALL: spawn mail root\nsshd: @group\n")

    assert rules.empty
    assert rules.plain
    assert rules.warnings == []


def test_a_line_goes_on_after_a_backslash() -> None:
    rules = denying("portmap: \\\n 10. \\\n 11.\nrpcbind: 12.\n")

    assert denied(rules, "11.0.0.1")
    assert [rule.line for rule in rules.about(host_at("11.0.0.1"))] == [1, 4]


def test_line_without_colon_is_skipped_with_warning() -> None:
    rules = denying("ALL ALL\nrpcbind: 10.\n")

    assert rules.warnings == [f"{DENY} line 1: missing colon; the line is skipped"]
    assert denied(rules, "10.0.0.1")
    assert not denied(rules, "11.0.0.1")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("portmap: 10.", "line 1 does not end (there is no newline)"),
        ("sshd: 1.\nportmap: 10.\\\n", "line 2 does not end (there is no newline)"),
        (f"portmap: {'x' * MAX_LINE}\n", f"line 1 is longer than {MAX_LINE} characters"),
        ("portmap: 10\0\n", "line 1 has a NUL byte"),
    ],
)
def test_broken_file_denies_the_rest(text: str, why: str) -> None:
    rules = denying(text)

    assert rules.cut == f"hosts.deny {why}"
    assert denied(rules, "192.0.2.1")
    assert f"{DENY} {why.split()[0]} {why.split()[1]}: the line" in rules.warnings[0]


def test_hosts_allow_matches_no_host_after_that() -> None:
    allow = parse(
        "portmap: 10.\nportmap: ALL", hosts_daemon(), path="a", allows=True, read_list=Lists()
    )
    here = host_at("", "unknown")

    assert judge(allow, denying("ALL: ALL\n"), client=host_at("10.0.0.1"), local=here).allowed
    assert not judge(allow, denying("ALL: ALL\n"), client=host_at("11.0.0.1"), local=here).allowed


def test_a_file_that_cannot_be_read_denies_everybody() -> None:
    rules = unreadable(DENY, allows=False, why="permission denied")

    assert denied(rules, "10.0.0.1")
    assert rules.warnings[0].startswith(f"{DENY} cannot be read (permission denied): it denies")


def test_files_with_commands_are_not_for_libwrap() -> None:
    rules = denying("sshd: ALL\nportmap: 10.: spawn mail root\n")

    assert rules.warnings[0].startswith(f"{DENY} line 2: the command of spawn is not run")
    assert not rules.plain
    assert denied(rules, "10.0.0.1")


def test_many_stars_are_not_for_libwrap() -> None:
    assert denying(f"ALL: {'*a' * MAX_STARS}\n").plain
    assert not denying(f"ALL: {'*a' * (MAX_STARS + 1)}\n").plain


def test_address_without_brackets_is_reported() -> None:
    rules = denying("portmap: 2001:db8::/32\n")

    assert "2001:db8::/32 is cut at its colons: write [2001:db8::]/32" in rules.warnings[0]


@pytest.mark.parametrize(
    ("pattern", "address", "expected"),
    [
        ("ALL@10.", "10.0.0.1", True),
        ("UNKNOWN@10.", "10.0.0.1", True),
        ("root@10.", "10.0.0.1", False),
        ("KNOWN@10.", "10.0.0.1", False),
        ("ALL@", "10.0.0.1", False),
    ],
)
def test_users_are_unknown(pattern: str, address: str, expected: bool) -> None:
    assert denied(denying(f"portmap: {pattern}\n"), address) is expected


def test_rule_may_name_a_local_address() -> None:
    rules = denying("portmap@192.0.2.1: ALL\n")

    assert rules.by_local
    assert denied(rules, "10.0.0.1", local="192.0.2.1")
    assert not denied(rules, "10.0.0.1", local="192.0.2.2")
    assert not denied(rules, "10.0.0.1")


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ("111", True),
        ("+0111", True),
        ("112", False),
        ("65647", False),
        ("ALL EXCEPT sshd", True),
        ("ALL EXCEPT portmap", True),
        ("ALL EXCEPT portmap rpcbind", False),
        ("EXCEPT sshd", False),
    ],
)
def test_rule_names_daemon_by_name_or_port(servers: str, expected: bool) -> None:
    assert denied(denying(f"{servers}: ALL\n"), "10.0.0.1") is expected


@pytest.mark.parametrize(
    ("clients", "address", "expected"),
    [
        ("10. EXCEPT 10.0.0.1", "10.0.0.1", False),
        ("10. EXCEPT 10.0.0.1", "10.0.0.2", True),
        ("ALL except 10. EXCEPT 10.0.0.1", "10.0.0.1", True),
        ("ALL EXCEPT 10. EXCEPT 10.0.0.1", "10.0.0.2", False),
        ("ALL EXCEPT", "10.0.0.1", True),
        ("11., 10.0.0.1\t12.", "10.0.0.1", True),
    ],
)
def test_exceptions_nest(clients: str, address: str, expected: bool) -> None:
    assert denied(denying(f"portmap: {clients}\n"), address) is expected


def test_netgroups_are_told_apart_from_mistakes() -> None:
    rules = denying("portmap: @trusted\n")

    assert rules.plain
    assert rules.warnings == []
    assert rules.netgroups == [
        f"{DENY} line 1: netgroup @trusted matches nobody: only libwrap looks netgroups up"
    ]
    assert not denied(rules, "10.0.0.1", "client")


def test_list_of_patterns_is_read_once() -> None:
    lists = Lists(bad="10.0.0.1 .evil.example\n11.\f12.\n")
    rules = denying("portmap: /bad\nrpcbind: /bad EXCEPT 11.\n", lists)

    assert lists.read == 1
    assert denied(rules, "10.0.0.1")
    assert denied(rules, "192.0.2.1", "x.evil.example")
    assert denied(rules, "12.0.0.1")
    assert not denied(rules, "13.0.0.1")
    assert not rules.plain


def test_address_in_list_needs_no_name() -> None:
    rules = denying("portmap: /bad\n", Lists(bad=".evil.example 10.0.0.1"))
    here = host_at("", "unknown")

    assert not judge(NO_RULES, rules, client=host_at("10.0.0.1"), local=here).allowed
    with pytest.raises(NameNeeded):
        judge(NO_RULES, rules, client=host_at("10.0.0.2"), local=here)


def test_missing_list_matches_no_host() -> None:
    rules = denying("portmap: /missing\n")

    assert "/missing is missing; it matches nobody" in rules.warnings[0]
    assert not denied(rules, "10.0.0.1")


def test_unreadable_list_allows_no_host() -> None:
    allow = parse("ALL: /secret\n", hosts_daemon(), path="a", allows=True, read_list=Lists())
    deny = denying("portmap: /secret\n")

    assert allow.empty
    assert allow.warnings[0].endswith("(permission denied); the rule is skipped")
    assert deny.warnings[0].endswith("(permission denied); the rule denies everybody")
    assert denied(deny, "192.0.2.1")


def test_lists_that_name_each_other_are_read_once() -> None:
    rules = denying("portmap: /a\n", Lists(a="/b 10.", b="/a /b 11."))

    assert denied(rules, "10.0.0.1")
    assert denied(rules, "11.0.0.1")
    assert not denied(rules, "12.0.0.1")
    assert "in a circle" in rules.warnings[0]


def test_lists_nest_only_so_deep() -> None:
    texts = {f"l{depth}": f"/l{depth + 1}" for depth in range(MAX_NESTED + 1)}
    rules = denying("portmap: /l0\n", Lists(**texts))

    assert "too deep" in rules.warnings[0]


def test_the_first_rule_counts_among_many_addresses() -> None:
    allowing = "portmap rpcbind: 10.0.0.1: allow\n"
    addresses = "".join(f"ALL: 10.0.0.{number}\n" for number in range(256))
    rules = denying(f"{allowing}{addresses}ALL: 10.0.1.\n")

    assert not denied(rules, "10.0.0.1")
    assert denied(rules, "10.0.0.2")
    assert denied(rules, "10.0.1.2")
    assert len(list(rules.about(host_at("10.0.0.2")))) == 2


def test_warnings_are_bounded() -> None:
    rules = denying("x\n" * (MAX_WARNINGS + 5))

    assert len(rules.warnings) == MAX_WARNINGS + 1
    assert rules.warnings[-1] == f"{DENY}: 5 more like these"


def test_messages_hold_nothing_that_a_terminal_obeys() -> None:
    assert shown("ALL: \x1b[2J\t\udcff x" + "y" * 100) == "ALL: ?[2J ? x" + "y" * 64 + "..."
    assert len(shown("y" * 100)) == MAX_SHOWN
    assert len(denying(f"portmap: ALL: {'x' * 1000}\n").warnings[0]) < MAX_MESSAGE + len(DENY) + 10


@given(st.binary() | st.text("aALxportmap:.,@/[]*?#\\ \t\n1-=").map(str.encode))
def test_any_bytes_are_rules(data: bytes) -> None:
    rules = denying(text_of(data))

    assert denied(rules, "10.0.0.1", local="192.0.2.1") in (True, False)


@given(st.text())
def test_any_text_is_rules(text: str) -> None:
    rules = denying(f"portmap: {text}\n")

    assert denied(rules, "10.0.0.1") in (True, False)
