"""Admission: asks the rules, then hosts_access(5), whether a call is carried out.

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
from oncrpc.errors import AuthError
from oncrpc.rpc import Call, Caller, NoReply
from oncrpc.rpc.prot import auth_stat

MAX_CALLERS = 4096
"""Callers whose rules are remembered."""

MAX_UNJUDGED = 128
"""Datagrams that wait for the names of their hosts; further ones are dropped, not refused.

Fewer than ``Limits.datagram_calls``: calls of hosts whose rights are known, and forwarded calls,
have the rest."""

MAX_UNJUDGED_OF_HOST = 8
"""The same of one host: so that the names looked up at a time do not fill that."""

NO_RULES = Relevant(())
Key = tuple[str, str | None, int | None, bool, str | None]


class HostsAccess(Protocol):
    """hosts_access(5), see ``oncrpc.access.hosts.access``."""

    @property
    def generation(self) -> int:
        """Grows when what is decided may have changed."""

    @property
    def empty(self) -> bool:
        """There are no rules: everybody may call."""

    def check(self) -> None:
        """Look whether the rules have changed, if that was not done just now."""

    def judge(self, host: str, local: str) -> bool | Awaitable[bool]:
        """Whether a host may call at the local address; awaitable if a name is looked up."""


class Admission:
    """Decides whether calls are carried out.

    ``generation`` grows whenever a decision may have changed. What is remembered about callers
    holds for one generation of the rules and of the hosts' files.
    """

    def __init__(self, call_log: CallLog) -> None:
        self._rules: Sequence[Rule] = ()
        self._hosts: HostsAccess | None = None
        self._changes = 0
        self._relevant: dict[Key, Relevant] = {}
        self._welcome: set[Key] = set()
        self._seen = 0
        self._unjudged = Counter[str]()
        self._call_log, self._vocabulary = call_log, call_log.vocabulary

    def configure(self, rules: Sequence[Rule], hosts: HostsAccess | None = None) -> None:
        """Decide by these from now on."""
        self._changes = self.generation + 1
        self._rules, self._hosts = rules, hosts
        self._seen = 0 if hosts is None else hosts.generation
        self._relevant.clear()
        self._welcome.clear()

    @property
    def asks(self) -> bool:
        """Something may be refused."""
        return bool(self._rules) or self._hosts is not None

    @property
    def generation(self) -> int:
        """A count of the changes of rules and of hosts' files, which are looked at for it."""
        if self._hosts is None:
            return self._changes
        self._hosts.check()
        return self._changes + self._hosts.generation

    def before(self, call: Call) -> Awaitable[None] | None:
        """The dispatcher's hook; an awaitable if a name has to be looked up.

        Raises:
            AuthError: the call is refused.
            NoReply: it is, and not answered.
        """
        procedure = self._vocabulary.name(call.procedure)
        if procedure == NULL:
            return None
        if self._rules:
            prog = self._vocabulary.program_of(call)
            decision = self._about(call.caller).decide(procedure, prog)
            if decision is not None:
                self._carry_out(decision.then, call)
                return None
        if self._hosts is None or call.caller.source is None:
            return None
        return self._ask_hosts(self._hosts, call)

    def open_to(self, caller: Caller) -> bool:
        """Every call of this caller is carried out, as far as is known without asking again.

        What hosts_access decides is known once a call of it was let through.
        """
        rules = self._about(caller)
        if not rules.open:
            return False
        if rules.exhaustive or self._hosts is None or caller.source is None:
            return True
        return self._welcomed(self._hosts, caller)

    def _about(self, caller: Caller) -> Relevant:
        """The rules that are about a caller, remembered."""
        if not self._rules:
            return NO_RULES
        key = _key(caller)
        found = self._relevant.get(key)
        if found is None:
            if len(self._relevant) >= MAX_CALLERS:
                self._relevant.clear()
            found = self._relevant[key] = relevant(self._rules, Asker.of(caller))
        return found

    def _ask_hosts(self, hosts: HostsAccess, call: Call) -> Awaitable[None] | None:
        if self._welcomed(hosts, call.caller):
            return None
        verdict = hosts.judge(call.caller.host, call.caller.local_host)
        if isinstance(verdict, bool):
            self._conclude(call, allowed=verdict)
            return None
        if not call.caller.datagram:
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
        self._conclude(call, allowed=allowed, lasting=self.generation == before)

    def _conclude(self, call: Call, *, allowed: bool, lasting: bool = True) -> None:
        if not allowed:
            self._carry_out("deny", call)
        elif lasting:
            if len(self._welcome) >= MAX_CALLERS:
                self._welcome.clear()
            self._welcome.add(_key(call.caller))

    def _welcomed(self, hosts: HostsAccess, caller: Caller) -> bool:
        """It is known that hosts_access lets the caller in."""
        hosts.check()
        if hosts.empty:
            return True
        if self._seen != hosts.generation:
            self._seen = hosts.generation
            self._welcome.clear()
        return _key(caller) in self._welcome

    def _carry_out(self, then: Then, call: Call) -> None:
        if then == ALLOW:
            return
        kind = "host" if call.caller.source else "user"
        self._call_log.refused(call, Refusal.UNAUTHORIZED, kind)
        raise AuthError(auth_stat.AUTH_TOOWEAK) if then == "deny" else NoReply


def _key(caller: Caller) -> Key:
    if caller.source is None:
        return caller.netid, None, caller.uid, True, None
    return caller.netid, caller.source[0], None, caller.loopback, caller.local_host
