"""The rules of hosts.allow and hosts.deny (hosts_access(5)), and how they decide.

A daemon may have several names, as the port mapper has ``portmap`` and ``rpcbind``. For each name
the first rule that matches decides. A client is allowed if hosts.allow allows it for any name;
otherwise it is denied if either file denies it for any name; otherwise it is allowed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import TypeVar

from msgspec import Struct, field

from oncrpc.access.hosts.patterns import Matcher, NamedHost, always

T = TypeVar("T")


class DaemonId(Struct, frozen=True):
    """The names of a daemon in rules: its names, and its port number."""

    names: frozenset[str]
    port: int


class DaemonPattern(Struct, frozen=True):
    """A pattern for daemons: the names of this daemon that it matches, at which local address."""

    names: frozenset[str]
    at: Matcher = always


class HostsRule(Struct, frozen=True):
    """One line: its daemons, its clients, and what it decides.

    Lists are lists of groups: the words before the first EXCEPT, before the second, and so on.
    """

    line: int
    text: str
    servers: Sequence[Sequence[DaemonPattern]]
    clients: Sequence[Matcher]
    allows: bool
    literals: frozenset[str] | None = None
    """The addresses of the clients, if they are all literal."""

    fixed: frozenset[str] | None = None
    """The names of the daemon that the rule is for; None if that depends on the local address."""

    def names_at(self, local: NamedHost) -> frozenset[str]:
        """The names of the daemon that the rule is for at this local address."""
        return self.fixed if self.fixed is not None else served(self.servers, local)

    def matches(self, client: NamedHost) -> bool:
        """Whether the client matches."""
        return _in_list(self.clients, lambda matches: matches(client))


class HostsFile(Struct, frozen=True):
    """The rules of a file for one daemon."""

    path: str
    allows: bool
    """The decision of its rules, unless they have an option."""

    names: frozenset[str] = frozenset()
    """The names of the daemon that its rules are about."""

    others: Sequence[HostsRule] = ()
    """The rules that have other clients than literal addresses."""

    by_literal: Mapping[str, Sequence[HostsRule]] = field(default_factory=dict)
    cut: str = ""
    """Where and why reading stopped before the end of the file."""

    warnings: Sequence[str] = ()
    netgroups: Sequence[str] = ()
    """The warning about netgroups where nothing can look them up."""

    by_local: bool = False
    """Whether a rule depends on the local address."""

    plain: bool = True
    """Whether libwrap may be asked.

    If true, libwrap decides the same by every line and has no side effects, and the file names no
    files of patterns, which libwrap would read again for each question.
    """

    @property
    def empty(self) -> bool:
        """Whether the file decides nothing."""
        return not (self.others or self.by_literal or self.cut)

    def about(self, client: NamedHost) -> Iterable[HostsRule]:
        """The rules that can match the client, in order."""
        literal = self.by_literal.get(client.address)
        if not literal:
            return self.others
        return heapq.merge(self.others, literal, key=attrgetter("line"))


class HostsDecision(Struct, frozen=True):
    """Whether a client may call, and which rule decides that."""

    allowed: bool
    by: str


NO_RULE = HostsDecision(True, "no rule matches")


def judge(
    allow: HostsFile, deny: HostsFile, *, client: NamedHost, local: NamedHost
) -> HostsDecision:
    """Whether the client may call; the local address may be unknown.

    Raises:
        NameNeeded: the decision depends on the client's name, which is None.
    """
    refused = None
    for decision in _decisions(allow, client, local):
        if decision.allowed:
            return decision
        refused = refused or decision
    if refused is not None:
        return refused
    allowed = NO_RULE
    for decision in _decisions(deny, client, local):
        if not decision.allowed:
            return decision
        allowed = decision
    return allowed


def _decisions(rules: HostsFile, client: NamedHost, local: NamedHost) -> Iterator[HostsDecision]:
    """The decisions of a file, at most one for each name of the daemon."""
    undecided = rules.names
    for rule in rules.about(client):
        names = rule.names_at(local) & undecided
        if names and rule.matches(client):
            by = f"{file_of(rules.path)} line {rule.line}: {rule.text}"
            yield HostsDecision(rule.allows, by)
            undecided -= names
            if not undecided:
                return
    if rules.cut and not rules.allows:
        yield HostsDecision(False, rules.cut)


def file_of(path: str) -> str:
    """The name of a file without its directory."""
    return path.rpartition("/")[2]


def served(servers: Sequence[Sequence[DaemonPattern]], local: NamedHost) -> frozenset[str]:
    """The names of the daemon that a list of daemons matches at this local address."""
    names = {name for group in servers[:1] for one in group for name in one.names}
    return frozenset(
        name
        for name in names
        if _in_list(
            servers,
            lambda group: any(name in one.names and one.at(local) for one in group),  # noqa: B023
        )
    )


def _in_list(groups: Sequence[T], matches: Callable[[T], bool]) -> bool:
    """Whether a list matches: A EXCEPT B EXCEPT C is A and not (B and not C)."""
    for place, group in enumerate(groups):
        if not matches(group):
            return place % 2 == 1
    return len(groups) % 2 == 1
