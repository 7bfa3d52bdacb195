"""The configuration file of the port mapper: its tables, and their defaults."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from oncrpc.access.rules import IPNetwork, Network, ProgramNumber, Rule, Table
from oncrpc.daemon.config.layers import Startup
from oncrpc.daemon.config.values import LIVENESS_INTERVAL, LONGEST_INTERVAL
from oncrpc.daemon.web.address import HostName, Place
from oncrpc.portmap.registry import MAX_PER_OWNER, MAX_REGISTRATIONS

FEWEST_TOTAL = 64
"""Room for the port mapper's own registrations, and some."""

REPLIES = 1000
"""UDP replies a second to a source network, unless configured otherwise."""

BURST = 10_000
"""UDP replies at once: enough for 500 clients behind one address that send 20 calls each."""

MOST_RATE = 10_000_000


class Registration(Table, frozen=True):
    """Who may register, and how much (``oncrpc.portmap.ownership.Rules``)."""

    local_only: bool = False
    reserved_ports: bool = False
    foreign_versions: bool = True
    per_owner: Annotated[int, Meta(ge=1, le=MAX_REGISTRATIONS)] = MAX_PER_OWNER
    total: Annotated[int, Meta(ge=FEWEST_TOTAL, le=MAX_REGISTRATIONS)] = MAX_REGISTRATIONS


class Rate(Table, frozen=True):
    """Replies over UDP to a source prefix: how many a second, 0 for any, and how many at once."""

    replies: Annotated[int, Meta(ge=0, le=MOST_RATE)] = REPLIES
    burst: Annotated[int, Meta(ge=1, le=MOST_RATE)] = BURST


class RemoteCalls(Table, frozen=True):
    """Programs that are never called for others (``oncrpc.portmap.remote_calls``)."""

    deny: tuple[ProgramNumber, ...] = ()


class Liveness(Table, frozen=True):
    """How often it is looked whether servers are still there, and whether processes are watched."""

    interval: Annotated[int, Meta(ge=0, le=LONGEST_INTERVAL)] = int(LIVENESS_INTERVAL)
    watch: bool = False


class Hosts(Table, frozen=True):
    """Whether hosts_access(5) is asked about calls that no rule decides."""

    enabled: bool = True


class Web(Table, frozen=True):
    """Where web pages are served, if anywhere, and under which names besides the address."""

    listen: Place | None = None
    names: tuple[HostName, ...] = ()


class Policy(Table, frozen=True):
    """The file as a whole; without a file the defaults."""

    trusted: tuple[Network, ...] = ()
    daemon: Startup = Startup()
    registration: Registration = Registration()
    rate: Rate = Rate()
    remote_calls: RemoteCalls = RemoteCalls()
    liveness: Liveness = Liveness()
    hosts: Hosts = Hosts()
    web: Web = Web()
    rule: tuple[Rule, ...] = ()

    @property
    def trusted_networks(self) -> list[IPNetwork]:
        """What may have replies over UDP that are longer than their calls."""
        return [each.network for each in self.trusted]
