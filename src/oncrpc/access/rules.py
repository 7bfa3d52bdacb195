"""The rules of the configuration file, as pure data.

The first rule that matches a call decides. If none matches, others decide, such as hosts_access(5).
Most calls come from a caller that has called before, so rules are matched in two steps: first those
of the caller (``relevant``), whose result can be remembered, then those of the procedure.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Annotated, Literal, NamedTuple, Self

from msgspec import Meta, Struct, field

from oncrpc.numbers import program_name
from oncrpc.rpc import Caller

LOCAL, LOOPBACK = "local", "loopback"
ALLOW = "allow"
Then = Literal["allow", "deny", "silent"]
Number = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
IPNetwork = IPv4Network | IPv6Network
IPAddress = IPv4Address | IPv6Address


class RuleOrigin(str):
    """Where calls come from: a network, ``local`` or ``loopback``."""

    __slots__ = ("network",)
    network: IPNetwork | None

    def __new__(cls, place: str, network: IPNetwork | None = None) -> Self:
        made = super().__new__(cls, place)
        made.network = network
        return made

    def has(self, asker: Asker) -> bool:
        """Whether the caller is one of these."""
        if self.network is not None:
            return asker.address is not None and asker.address in self.network
        return asker.loopback if self == LOOPBACK else asker.address is None


class Network(str):
    """A network, as text and as object."""

    __slots__ = ("network",)
    network: IPNetwork

    def __new__(cls, network: IPNetwork) -> Self:
        made = super().__new__(cls, network)
        made.network = network
        return made


class Netid(str):
    """The name of a transport."""

    __slots__ = ()


class ProcedureName(str):
    """The short name of a procedure (``oncrpc.access.vocabulary``).

    ``has_program`` says whether its first argument is a program number.
    """

    __slots__ = ("has_program",)
    has_program: bool

    def __new__(cls, name: str, *, has_program: bool) -> Self:
        made = super().__new__(cls, name)
        made.has_program = has_program
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, bool]]:
        """For ``pickle``."""
        return (str(self),), {"has_program": self.has_program}


class ProgramNumber(int):
    """A program number; its text is the name of the program, if it has one."""

    __slots__ = ()

    def __str__(self) -> str:
        return program_name(int(self)) or format(int(self))


class Asker(NamedTuple):
    """A caller as rules see it: over a local socket it has a ``uid``, else an ``address``.

    ``loopback`` is true if the call came from 127.0.0.0/8 or ::1 over the loopback interface.
    """

    netid: str
    address: IPAddress | None
    uid: int | None = None
    loopback: bool = False

    @classmethod
    def of(cls, caller: Caller) -> Asker:
        """The caller of a call."""
        if caller.source is None:
            return cls(caller.netid, None, caller.uid)
        address = address_of(caller.source[0])
        return cls(caller.netid, address, None, caller.loopback and address.is_loopback)


class Rule(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """The action for calls that match all keys of the rule; a missing key matches every call."""

    then: Then
    from_: Annotated[tuple[RuleOrigin, ...], Meta(min_length=1)] = field(name="from", default=())
    netid: Annotated[tuple[Netid, ...], Meta(min_length=1)] = ()
    procedure: Annotated[tuple[ProcedureName, ...], Meta(min_length=1)] = ()
    program: Annotated[tuple[ProgramNumber, ...], Meta(min_length=1)] = ()
    uid: Annotated[tuple[Number, ...], Meta(min_length=1)] = ()

    def __post_init__(self) -> None:
        """Reject a rule that no call can match, since its author meant something else."""
        with_program = any(procedure.has_program for procedure in self.procedure)
        if self.program and self.procedure and not with_program:
            raise ValueError("none of its procedures has a program number as an argument")
        if self.uid and self.from_ and LOCAL not in self.from_:
            raise ValueError(
                'only callers over the local socket have a uid, and from has no "local"'
            )
        if self.uid and self.netid and LOCAL not in self.netid:
            raise ValueError(
                'only callers over the local socket have a uid, and netid has no "local"'
            )

    def is_about(self, asker: Asker) -> bool:
        """Whether the caller matches."""
        if self.netid and asker.netid not in self.netid:
            return False
        if self.uid and asker.uid not in self.uid:
            return False
        return not self.from_ or any(origin.has(asker) for origin in self.from_)

    def covers(self, procedure: str, prog: int | None) -> bool:
        """Whether the procedure matches, and the program in its arguments (None without one)."""
        if self.procedure and procedure not in self.procedure:
            return False
        return not self.program or prog in self.program

    @property
    def unconditional(self) -> bool:
        """Whether it decides every call of the callers that match."""
        return not self.procedure and not self.program

    def __str__(self) -> str:
        """The rule as a line of TOML."""
        lists = {
            "from": self.from_,
            "netid": self.netid,
            "procedure": self.procedure,
            "program": self.program,
            "uid": self.uid,
        }
        said = [f"{key} = [{', '.join(map(_quoted, each))}]" for key, each in lists.items() if each]
        return ", ".join([*said, f'then = "{self.then}"'])


class Decision(NamedTuple):
    """The action for a call, and the number of the rule that decides, from 0."""

    then: Then
    rule: int


class Relevant(NamedTuple):
    """The rules that match one caller, with their numbers, up to the first unconditional one."""

    rules: tuple[tuple[int, Rule], ...]

    def decide(self, procedure: str, prog: int | None = None) -> Decision | None:
        """The decision of the first rule that matches a call, None without one."""
        for number, rule in self.rules:
            if rule.covers(procedure, prog):
                return Decision(rule.then, number)
        return None

    @property
    def exhaustive(self) -> bool:
        """Whether the rules decide every call of the caller."""
        return bool(self.rules) and self.rules[-1][1].unconditional

    @property
    def open(self) -> bool:
        """Whether no rule refuses anything."""
        return all(rule.then == ALLOW for _, rule in self.rules)


def relevant(rules: Sequence[Rule], asker: Asker) -> Relevant:
    """The rules that match a caller."""
    found = []
    for number, rule in enumerate(rules):
        if rule.is_about(asker):
            found.append((number, rule))
            if rule.unconditional:
                break
    return Relevant(tuple(found))


def address_of(host: str) -> IPAddress:
    """Parse an address without its zone; an IPv4-mapped IPv6 address is the IPv4 address."""
    address = ip_address(host.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _quoted(value: object) -> str:
    """A value in TOML; a number without a name stays a number."""
    text = str(value)
    return text if isinstance(value, int) and text.isdigit() else f'"{text}"'
