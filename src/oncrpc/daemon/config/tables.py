"""The configuration that every daemon has, declared once (see ``declare``).

An application's configuration is a subclass of ``Config``: it adds tables, and keys to these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from msgspec import Meta

from oncrpc.access.rules import IPNetwork, Network, Rule
from oncrpc.addr import LOOPBACKS
from oncrpc.daemon.config.declare import KeyOption, Table
from oncrpc.daemon.config.values import (
    FAMILIES,
    Address,
    Family,
    FilePath,
    HostName,
    LogFormat,
    UserName,
    WebAddress,
)

REPLIES = 1000
"""UDP replies a second to a source network, unless configured otherwise."""

BURST = 10_000
"""UDP replies at once: enough for 500 clients behind one address that send 20 calls each."""

MOST_RATE = 10_000_000

Port = Annotated[int, Meta(ge=0, le=65535)]

MATTERS = (("daemon.bind", "daemon.loopback"), ("daemon.state-dir", "daemon.state"))
"""Keys about one matter: a layer that sets one of them hides all of them in the layers below."""


class DaemonTable(Table, frozen=True):
    """``[daemon]``: settings that are read at the start only."""

    port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="Listen on this port. With 0 a port that is free on all transports.",
        ),
        KeyOption("-p", "--port", metavar="PORT", help="listen on this port; 0: any free one"),
    ] = 0
    bind: Annotated[
        tuple[Address, ...],
        Meta(
            description="Bind to this address, UDP and TCP, and to the loopback address of each"
            " family that is served. May be given more than once. Without it every address is"
            " bound; *0.0.0.0* and *::* are every address of their family. An address that this"
            " host does not have is an error."
        ),
        KeyOption(
            "-h", "--bind", metavar="ADDRESS", group="bind",
            help="bind to this address and the loopback ones, UDP and TCP; may be repeated",
        ),
    ] = ()  # fmt: skip
    loopback: Annotated[
        bool,
        Meta(description="Bind to 127.0.0.1 and ::1 only."),
        KeyOption("-l", "--loopback", group="bind", help="bind to the loopback addresses only"),
    ] = False
    families: Annotated[
        tuple[Family, ...],
        Meta(
            description="Serve IPv4 only, or IPv6 only, besides the local sockets; both options"
            " together are for both families."
        ),
        KeyOption("-4", "--ipv4", const="ipv4", help="serve IPv4 only; with -6 both"),
        KeyOption("-6", "--ipv6", const="ipv6", help="serve IPv6 only; with -4 both"),
    ] = (Family("ipv4"), Family("ipv6"))
    local: Annotated[
        bool,
        Meta(
            description="Serve the local sockets, and take their lock. Without root use"
            " **\\--no-local**: the sockets and the lock are in */run*."
        ),
        KeyOption("--local", help="serve the local sockets"),
    ] = True
    user: Annotated[
        UserName | None,
        Meta(
            description="Become this user, by name or number, once the sockets are bound. If root"
            " starts the daemon, the default is the first of **_rpc**, **rpc** and **nobody** that"
            " exists. **-u root** stays root."
        ),
        KeyOption(
            "-u", "--user", metavar="USER",
            help="become this user once the sockets are bound (as root: _rpc, rpc or nobody)",
        ),
    ] = None  # fmt: skip
    state_dir: Annotated[
        FilePath | None,
        Meta(
            description="Keep the state in *DIR*, so that it outlives the daemon, SIGKILL included,"
            " until the next boot. The directory belongs to the user of **-u** and has mode 0700;"
            " it is made if it is missing. The default is */run/NAME* if root starts the daemon,"
            " else *NAME* in the first directory of **$RUNTIME_DIRECTORY** or in"
            " **$XDG_RUNTIME_DIR**; on another port than the usual one it is *NAME-PORT*. With"
            " **-p 0** nothing is kept unless *DIR* is given."
        ),
        KeyOption(
            "--state-dir", metavar="DIR", group="state",
            help="keep the state in this directory instead of /run/NAME or, without root,"
            " $RUNTIME_DIRECTORY/NAME or $XDG_RUNTIME_DIR/NAME",
        ),
    ] = None  # fmt: skip
    state: Annotated[
        bool,
        Meta(
            description="Keep the state in the usual directory; with **\\--no-state** keep nothing."
            " Then **status** still finds the daemon through that directory."
        ),
        KeyOption("--state", group="state", help="keep the state over a restart"),
    ] = True
    pid_file: Annotated[
        FilePath | None,
        Meta(
            description="Lock this file too, and write the process id into its first line, for"
            " **reload**. Needed with **\\--no-local**: a daemon that serves the local sockets"
            " writes it into their lock. The daemon removes this file at its end, if its user may."
        ),
        KeyOption(
            "--pid-file", metavar="FILE",
            help="lock this file too and write the process id into it, for 'reload'",
        ),
    ] = None  # fmt: skip
    verbose: Annotated[
        bool,
        Meta(description="Log every call: its source, its procedure, its program."),
        KeyOption("-v", "--verbose", help="log every call"),
    ] = False
    log_format: Annotated[
        LogFormat,
        Meta(description="**text**, or **json**: one object a line."),
        KeyOption("--log-format", metavar="FORMAT", help="the format of the log: text, or json"),
    ] = LogFormat("text")

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        if self.loopback and self.bind:
            raise ValueError("bind and loopback = true contradict each other; remove one")
        if not self.state and self.state_dir is not None:
            raise ValueError("state-dir and state = false contradict each other; remove one")
        if not self.families:
            raise ValueError("families is empty, so nothing would be served; remove it")

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses to bind; empty for all."""
        return tuple(LOOPBACKS.values()) if self.loopback else self.bind

    @property
    def inet_families(self) -> tuple[str, ...]:
        """The families by their names in netconfig, ``inet`` first."""
        return tuple(inet for name, inet in FAMILIES.items() if name in self.families)


class RateTable(Table, frozen=True):
    """``[rate]``: UDP replies to one source network."""

    replies: Annotated[
        int,
        Meta(
            ge=0,
            le=MOST_RATE,
            description="Replies a second over UDP to a source network: an IPv4 /24 or an IPv6"
            " /56; 0: no limit.",
        ),
    ] = REPLIES
    burst: Annotated[
        int,
        Meta(ge=1, le=MOST_RATE, description="Replies at once, after the network was quiet."),
    ] = BURST


class HostsTable(Table, frozen=True):
    """``[hosts]``: hosts_access(5)."""

    enabled: Annotated[
        bool,
        Meta(
            description="Ask */etc/hosts.allow* and */etc/hosts.deny* about calls that no rule"
            " decides."
        ),
    ] = True


class WebTable(Table, frozen=True):
    """``[web]``: the web page and the metrics."""

    listen: Annotated[
        WebAddress | None,
        Meta(
            description="Serve a web page and metrics for Prometheus there, such as at"
            " *127.0.0.1:9111* or *[::1]:9111*; with port 0 at a free port, which is logged."
            " Everybody who reaches the address can read them; nothing can be changed. Needs the"
            " packages of the extra: **pip install 'oncrpc[web]'**."
        ),
        KeyOption("--web", metavar="ADDRESS:PORT", help="serve a web page and metrics there"),
    ] = None
    names: Annotated[
        tuple[HostName, ...],
        Meta(
            description="Names under which browsers and scrapers may ask for them, besides"
            " `localhost` and the address itself."
        ),
    ] = ()


class Config(Table, frozen=True):
    """The file as a whole. Without a file every key has its default.

    ``at_start`` are the tables and keys that are only read at the start, besides ``[daemon]``.
    """

    at_start: ClassVar[Sequence[tuple[str, str]]] = (("web", "listen"),)

    trusted: Annotated[
        tuple[Network, ...],
        Meta(
            description="Networks that may get UDP replies longer than their calls, without a"
            " limit of rate. The loopback interface always may."
        ),
    ] = ()
    daemon: DaemonTable = DaemonTable()
    rate: RateTable = RateTable()
    hosts: HostsTable = HostsTable()
    web: WebTable = WebTable()
    rule: tuple[Rule, ...] = ()

    @property
    def trusted_networks(self) -> list[IPNetwork]:
        """The networks of ``trusted``."""
        return [each.network for each in self.trusted]
