"""The configuration of the port mapper, declared once (see ``daemon.config.declare``)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from oncrpc.access.rules import ProgramNumber
from oncrpc.daemon.config.declare import KeyOption, Table
from oncrpc.daemon.config.read import Schema
from oncrpc.daemon.config.tables import Config, DaemonTable
from oncrpc.daemon.config.values import FilePath
from oncrpc.portmap.vocabulary import VOCABULARY
from oncrpc.programs.portmap import PMAP_PORT

NAME = "portmap"
USERS = ("_rpc", "rpc", "nobody")
LOCK = "/run/rpcbind.lock"
"""The C daemon takes it too."""

MAX_REGISTRATIONS = 65536
"""Registrations; owners other than root may have half of them. A SET beyond is FALSE."""

MAX_PER_OWNER = 1024
"""Registrations of one user; those of unknown users count as one user's."""

FEWEST_TOTAL = 64
"""Room for the port mapper's own registrations, and some."""

WARM_START = "/run/rpcbind"
"""Where the C daemon keeps its files."""

LIVENESS_INTERVAL = 60
"""Seconds between two checks of the registered addresses."""

LONGEST_INTERVAL = 86_400


class PortmapDaemonTable(DaemonTable, frozen=True):
    """``[daemon]``."""

    port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="Listen on this port instead of {default}. With 0 a port is taken that is"
            " free on all transports. Clients ask port {default}: another port is for clients that"
            " can be configured.",
        ),
        KeyOption(
            "-p", "--port", metavar="PORT",
            help="listen on this port instead of {default}; 0: any that is free",
        ),
    ] = PMAP_PORT  # fmt: skip
    insecure: Annotated[
        bool,
        Meta(
            description="Let anyone register and unregister, from any address, and let **CALLIT**,"
            " **BCAST** and **INDIRECT** call program 100000. For isolated networks."
        ),
        KeyOption(
            "-i", "--insecure",
            help="let anyone register and unregister, from any address: for isolated networks",
        ),
    ] = False  # fmt: skip
    remote_calls: Annotated[
        bool,
        Meta(
            description="Call local programs for others (**CALLIT**, **BCAST**, **INDIRECT**)."
            " Broadcast RPC needs it, such as that of **ypbind** and of **rpcinfo -b**. Without it"
            " CALLIT and BCAST are not answered, and INDIRECT is answered SYSTEM_ERR. Programs that"
            " trust local callers are never called; see [security](../explanation/security.md)."
        ),
        KeyOption(
            "-r", "--remote-calls",
            help="call local programs for others (CALLIT, BCAST, INDIRECT): for broadcast RPC",
        ),
    ] = False  # fmt: skip
    warm_start: Annotated[
        FilePath | None,
        Meta(
            description="Read the registrations from *FILE* at the start, and write them to it"
            " after every change. Without *FILE* it is the C daemon's directory, */run/rpcbind*."
            " *FILE* is the C daemon's *portmap.xdr* or *rpcbind.xdr*, or the directory that has"
            " them: then both are read and written. A file of any other name is written in the"
            " format of *rpcbind.xdr*, and read in either. The user of **-u** must be able to write"
            " to the directory; if not, the files are read, and a line in the log says that they"
            " are not written. What **\\--state-dir** has of this boot takes precedence, unless"
            " another port mapper has written the files since."
        ),
        KeyOption(
            "-w", "--warm-start", metavar="FILE", const=WARM_START,
            help="read and keep the registrations in the C daemon's portmap.xdr or rpcbind.xdr,"
            f" or in the directory that has them; without FILE {WARM_START}",
        ),
    ] = None  # fmt: skip


class RegistrationTable(Table, frozen=True):
    """``[registration]``: who may register, and how much."""

    local_only: Annotated[
        bool, Meta(description="SET and UNSET over the local socket only.")
    ] = False  # fmt: skip
    reserved_ports: Annotated[
        bool, Meta(description="Only root may register ports below 1024.")
    ] = False  # fmt: skip
    foreign_versions: Annotated[
        bool,
        Meta(
            description="A user may register a version of a program of which another user has"
            " registered another version."
        ),
    ] = True
    per_owner: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_REGISTRATIONS,
            description="Registrations of one owner other than root.",
        ),
    ] = MAX_PER_OWNER
    total: Annotated[
        int,
        Meta(
            ge=FEWEST_TOTAL,
            le=MAX_REGISTRATIONS,
            description="Registrations in all; half of them are reserved for root.",
        ),
    ] = MAX_REGISTRATIONS


class RemoteCallsTable(Table, frozen=True):
    """``[remote-calls]``: programs that are never called for others."""

    deny: Annotated[
        tuple[ProgramNumber, ...],
        Meta(
            description="Programs, by number or name, that are not called for others, besides those"
            " that the port mapper never calls."
        ),
    ] = ()


class LivenessTable(Table, frozen=True):
    """``[liveness]``: dropping the registrations of servers that are gone."""

    interval: Annotated[
        float,
        Meta(
            ge=0,
            le=LONGEST_INTERVAL,
            description="Drop registrations at whose address no server listens any more: check"
            " 2 seconds after the start, and then at this interval in seconds; 0: never. What"
            " cannot be judged from this host, such as another host's address, stays. Every"
            " registration that is dropped is a line in the log.",
        ),
        KeyOption(
            "--liveness", metavar="SECONDS", least=1,
            help="drop registrations whose server is gone: check this often instead of every"
            " {default} seconds; 0: never",
        ),
    ] = LIVENESS_INTERVAL  # fmt: skip
    watch: Annotated[
        bool,
        Meta(description="Also check when a process ends that registered over the local socket."),
        KeyOption("--watch", help="also check when a process ends that registered locally"),
    ] = False


class PortmapConfig(Config, frozen=True):
    """The file as a whole."""

    daemon: PortmapDaemonTable = PortmapDaemonTable()
    registration: RegistrationTable = RegistrationTable()
    remote_calls: RemoteCallsTable = RemoteCallsTable()
    liveness: LivenessTable = LivenessTable()


SCHEMA: Schema[PortmapConfig] = Schema(
    PortmapConfig, file="/etc/portmap.toml", vocabulary=VOCABULARY
)
