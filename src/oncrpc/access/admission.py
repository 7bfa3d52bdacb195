"""Admission: asks the rules, then hosts_access(5), whether a call is admitted.

The decision is made before the arguments are decoded, for every procedure but NULL. Refusals are
logged. If nothing can be refused (``asks`` is False) the caller need not ask at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Protocol

from oncrpc.access.call_lines import CallLog, Refusal
from oncrpc.access.rules import ALLOW, Asker, Relevant, Rule, Then, relevant
from oncrpc.access.vocabulary import NULL
from oncrpc.caching import Bounded
from oncrpc.errors import AuthError
from oncrpc.rpc import Call, Caller, NoReply
from oncrpc.rpc.prot import auth_stat

MAX_CALLERS = 4096
"""Callers whose rules are remembered."""

MAX_UNJUDGED = 128
"""Datagrams that wait for a reverse look-up; further ones are dropped, not refused.

Fewer than ``Limits.datagram_calls``: the rest is for calls of hosts whose rights are known, and for
forwarded calls."""

MAX_UNJUDGED_OF_HOST = 8
"""Datagrams of one host that wait for a reverse look-up."""

NO_RULES = Relevant(())
CallerKey = tuple[str, str | None, int | None, bool, str | None]
"""The parts of a caller that decide: its port and xid do not matter."""


class HostsRules(Protocol):
    """The rules of hosts_access(5) (``oncrpc.access.hosts.access.HostsAccess``)."""

    @property
    def generation(self) -> int:
        """Grows when a decision may have changed."""

    @property
    def empty(self) -> bool:
        """Whether there are no rules, so that every host may call."""

    def check(self) -> None:
        """Look whether the files have changed, unless that was done a moment ago."""

    def judge(self, host: str, local: str) -> bool | Awaitable[bool]:
        """Whether a host may call the local address; awaitable if its name is looked up."""


class Admission:
    """Decides whether calls are admitted.

    ``generation`` grows whenever a decision may have changed; reading it checks the hosts' files.

    Two caches have a ``CallerKey`` as their key and at most ``MAX_CALLERS`` entries; the oldest
    entry is evicted. ``_relevant`` has the rules that match a caller, until ``configure``.
    ``_allowed`` has the callers that hosts_access admits, until ``configure`` or a new generation
    of the hosts' rules. Refused callers are not cached, so refused calls take no memory here.
    """

    def __init__(self, call_log: CallLog) -> None:
        self._rules: Sequence[Rule] = ()
        self._hosts: HostsRules | None = None
        self._changes = 0
        self._relevant = Bounded[CallerKey, Relevant](MAX_CALLERS)
        self._allowed = Bounded[CallerKey, None](MAX_CALLERS)
        self._allowed_in = 0  # the generation of the hosts' rules that _allowed belongs to
        self._unjudged = Counter[str]()
        self._call_log, self._vocabulary = call_log, call_log.vocabulary

    def configure(self, rules: Sequence[Rule], hosts: HostsRules | None = None) -> None:
        """Replace the rules."""
        # The old sum, so that ``generation`` also grows when new ``hosts`` count from 0 again.
        self._changes = self.generation + 1
        self._rules, self._hosts = rules, hosts
        self._allowed_in = 0 if hosts is None else hosts.generation
        self._relevant.clear()
        self._allowed.clear()

    @property
    def asks(self) -> bool:
        """Whether a call can be refused."""
        return bool(self._rules) or self._hosts is not None

    @property
    def generation(self) -> int:
        """Counts the changes of the rules and of the hosts' files."""
        if self._hosts is None:
            return self._changes
        self._hosts.check()
        return self._changes + self._hosts.generation

    @property
    def remembered(self) -> int:
        """Entries of both caches, and datagrams that wait for a decision."""
        return len(self._relevant) + len(self._allowed) + self._unjudged.total()

    def before(self, call: Call) -> Awaitable[None] | None:
        """The dispatcher's hook; awaitable if a name has to be looked up.

        Raises:
            AuthError: the call is refused.
            NoReply: the call is refused, and gets no reply.
        """
        procedure = self._vocabulary.name(call.procedure)
        if procedure == NULL:
            return None
        if self._rules:
            prog = self._vocabulary.program_of(call)
            decision = self._rules_for(call.caller).decide(procedure, prog)
            if decision is not None:
                self._apply(decision.then, call)
                return None
        if self._hosts is None or call.caller.source is None:
            return None
        return self._ask_hosts(self._hosts, call)

    def open_to(self, caller: Caller) -> bool:
        """Whether all calls of the caller are known to be admitted.

        With hosts_access that is known after one admitted call.
        """
        rules = self._rules_for(caller)
        if not rules.open:
            return False
        if rules.exhaustive or self._hosts is None or caller.source is None:
            return True
        return self._is_allowed(self._hosts, caller)

    def _rules_for(self, caller: Caller) -> Relevant:
        """The rules that match a caller."""
        if not self._rules:
            return NO_RULES
        key = _key(caller)
        found = self._relevant.get(key)
        if found is None:
            found = relevant(self._rules, Asker.of(caller))
            self._relevant.keep(key, found)
        return found

    def _ask_hosts(self, hosts: HostsRules, call: Call) -> Awaitable[None] | None:
        if self._is_allowed(hosts, call.caller):
            return None
        verdict = hosts.judge(call.caller.host, call.caller.local_host)
        if isinstance(verdict, bool):
            self._record_verdict(call, allowed=verdict)
            return None
        if not call.caller.datagram:  # the number of connections is bounded elsewhere
            return self._await(verdict, call)
        host = call.caller.host
        if self._unjudged[host] < MAX_UNJUDGED_OF_HOST and self._unjudged.total() < MAX_UNJUDGED:
            self._unjudged[host] += 1
            return self._await_counted(verdict, call)
        if isinstance(verdict, Coroutine):
            verdict.close()
        raise NoReply

    async def _await_counted(self, verdict: Awaitable[bool], call: Call) -> None:
        try:
            await self._await(verdict, call)
        finally:
            self._unjudged -= Counter((call.caller.host,))

    async def _await(self, verdict: Awaitable[bool], call: Call) -> None:
        before = self.generation
        allowed = await verdict
        # A decision that was made while the rules changed is valid for this call only.
        self._record_verdict(call, allowed=allowed, keep=self.generation == before)

    def _record_verdict(self, call: Call, *, allowed: bool, keep: bool = True) -> None:
        if not allowed:
            self._apply("deny", call)
        elif keep:
            self._allowed.keep(_key(call.caller), None)

    def _is_allowed(self, hosts: HostsRules, caller: Caller) -> bool:
        """Whether hosts_access is known to admit the caller."""
        hosts.check()
        if hosts.empty:
            return True
        if self._allowed_in != hosts.generation:
            self._allowed_in = hosts.generation
            self._allowed.clear()
        return _key(caller) in self._allowed

    def _apply(self, then: Then, call: Call) -> None:
        if then == ALLOW:
            return
        kind = "host" if call.caller.source else "user"
        self._call_log.refused(call, Refusal.UNAUTHORIZED, kind)
        if then == "deny":
            raise AuthError(auth_stat.AUTH_TOOWEAK)
        raise NoReply


def _key(caller: Caller) -> CallerKey:
    if caller.source is None:
        return caller.netid, None, caller.uid, True, None
    return caller.netid, caller.source[0], None, caller.loopback, caller.local_host
