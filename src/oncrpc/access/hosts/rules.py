"""The rules of hosts.allow and hosts.deny (hosts_access(5)), and how they are judged.

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
    """What rules may call a daemon: one of its names, or its port number."""

    names: frozenset[str]
    port: int


class DaemonPattern(Struct, frozen=True):
    """A pattern for daemons: the names of ours that it matches, and at which local address."""

    names: frozenset[str]
    at: Matcher = always


class HostsRule(Struct, frozen=True):
    """One line: for which daemon it is, which clients it is about, and what it decides.

    In lists of groups the first group matches, except where the others, in turn, do.
    """

    line: int
    text: str
    servers: Sequence[Sequence[DaemonPattern]]
    clients: Sequence[Matcher]
    allows: bool
    literals: frozenset[str] | None = None
    """The addresses, if it is about nothing else."""

    fixed: frozenset[str] | None = None
    """The daemons that it is for, None if that depends on the local address."""

    def names_at(self, local: NamedHost) -> frozenset[str]:
        """For which of our names it is, at this local address."""
        return self.fixed if self.fixed is not None else served(self.servers, local)

    def matches(self, client: NamedHost) -> bool:
        """Whether it is about the client."""
        return _in_list(self.clients, lambda matches: matches(client))


class HostsFile(Struct, frozen=True):
    """What a file says."""

    path: str
    allows: bool
    """What its rules decide if they do not say."""

    names: frozenset[str] = frozenset()
    """The names of the daemon that its rules are about."""

    others: Sequence[HostsRule] = ()
    """Those that are not only about addresses."""

    by_literal: Mapping[str, Sequence[HostsRule]] = field(default_factory=dict)
    cut: str = ""
    """Where and why the file has no more rules before its end."""

    warnings: Sequence[str] = ()
    netgroups: Sequence[str] = ()
    """What is told about netgroups where nothing looks them up."""

    by_local: bool = False
    """There are rules for some local addresses only."""

    plain: bool = True
    """Nothing in it is judged otherwise than by libwrap, or makes libwrap do more than judge.

    Nor has it patterns in files of their own, which libwrap would read again for each question.
    """

    @property
    def empty(self) -> bool:
        """Whether it decides nothing."""
        return not (self.others or self.by_literal or self.cut)

    def about(self, client: NamedHost) -> Iterable[HostsRule]:
        """The rules that may be about the client, in order."""
        literal = self.by_literal.get(client.address)
        if not literal:
            return self.others
        return heapq.merge(self.others, literal, key=attrgetter("line"))


class HostsDecision(Struct, frozen=True):
    """Whether a client may call, and what says so."""

    allowed: bool
    by: str


NO_RULE = HostsDecision(True, "no rule matches")


def judge(
    allow: HostsFile, deny: HostsFile, *, client: NamedHost, local: NamedHost
) -> HostsDecision:
    """Whether the client may call; the local address may be unknown.

    Raises:
        NameNeeded: that depends on the client's name, and it is None.
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
    """What the file says, at most once for each of our names."""
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
    """How a file is called where its directory goes without saying."""
    return path.rpartition("/")[2]


def served(servers: Sequence[Sequence[DaemonPattern]], local: NamedHost) -> frozenset[str]:
    """The names of ours that a list of daemons matches, at this local address."""
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
    """The first group that does not match decides: its place says between how many EXCEPTs."""
    for place, group in enumerate(groups):
        if not matches(group):
            return place % 2 == 1
    return len(groups) % 2 == 1
