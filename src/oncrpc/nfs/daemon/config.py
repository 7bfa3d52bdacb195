"""The configuration of ``nfsd``, declared once (see ``daemon.config.declare``)."""

from __future__ import annotations

import os
from typing import Annotated

from msgspec import Meta

from oncrpc.addr import LOOPBACKS
from oncrpc.daemon.config.declare import HIDDEN, KeyOption, Table
from oncrpc.daemon.config.read import Schema
from oncrpc.daemon.config.tables import Config, DaemonTable
from oncrpc.daemon.config.values import (
    Address,
    Family,
    FilePath,
    FilePathOrUrl,
    UserName,
    is_url,
)
from oncrpc.nfs.daemon.config_values import (
    AUTO,
    HOOKS,
    BackendName,
    ExportClient,
    NfsVersionNumber,
    PortMapperUse,
    ProgramChoice,
)
from oncrpc.nfs.daemon.vocabulary import (
    EXPORTING,
    NFS,
    NLM,
    OF_HANDLES,
    PROGRAMS,
    STATUS,
    VOCABULARY,
)
from oncrpc.nfs.exports.backend_choice import FSSPEC, FUSE, LOCAL, path_of_url
from oncrpc.nfs.exports.sources import ExportConfig
from oncrpc.nfs.locks.manager import GRACE
from oncrpc.nfs.locks.table import MAX_CLIENT_LOCKS, MAX_LOCKS

NAME = "nfsd"
NFS_PORT = 2049
MOST_LOCKS = 1 << 20
MAX_WORKERS = 64
"""Worker processes."""

EXPORTS_FILES = (FilePath("/etc/exports"), FilePath("/etc/exports.d"))


class NfsdDaemonTable(DaemonTable, frozen=True):
    """``[daemon]``."""

    port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="Serve NFS on this port instead of {default}. With 0 a port is taken that"
            " is free on all transports; then no state is kept without **\\--state-dir**.",
        ),
        KeyOption(
            "-p", "--port", metavar="PORT", help="serve NFS on this port instead of {default}"
        ),
    ] = NFS_PORT
    mount_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="Serve MOUNT on this port too, and register it there."
            " With {default} it is served on the port of NFS only. All programs are served on each"
            " port.",
        ),
        KeyOption("--mount-port", metavar="PORT", help="serve MOUNT on this port, too"),
    ] = 0
    nlm_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="Serve the lock manager (NLM) on this port too, and register it there.",
        ),
        KeyOption("--nlm-port", metavar="PORT", help="serve the lock manager on this port, too"),
    ] = 0
    status_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="Serve the status monitor on this port too, and register it there.",
        ),
        KeyOption(
            "--status-port", metavar="PORT", help="serve the status monitor on this port, too"
        ),
    ] = 0
    rquota_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="Serve quotas (RQUOTA) on this port too, and register them there.",
        ),
        KeyOption("--rquota-port", metavar="PORT", help="serve quotas on this port, too"),
    ] = 0
    bind: Annotated[
        tuple[Address, ...],
        Meta(
            description="Bind to this address, UDP and TCP, and to the loopback address of each"
            " family that is served. May be given more than once. Without it root binds every"
            " address; other users bind the loopback addresses only, unless **\\--to** names other"
            " clients. *0.0.0.0* and *::* are every address of their family."
        ),
        KeyOption(
            "-h", "--bind", metavar="ADDRESS", group="bind",
            help="bind to this address and the loopback ones, UDP and TCP; may be repeated",
        ),
    ] = ()  # fmt: skip
    families: Annotated[
        tuple[Family, ...],
        Meta(description="Serve IPv4 only, or IPv6 only; both options together are for both."),
        KeyOption("-4", "--ipv4", const="ipv4", help="serve IPv4 only; with -6 both"),
        KeyOption("-6", "--ipv6", const="ipv6", help="serve IPv6 only; with -4 both"),
    ] = (Family("ipv4"), Family("ipv6"))
    local: Annotated[bool, HIDDEN] = False
    user: Annotated[
        UserName | None,
        Meta(
            description="Become this user, by name or number, once the sockets are bound. All"
            " clients then work as this user. Without it root stays root, and works as the user of"
            " each call."
        ),
        KeyOption(
            "-u", "--user", metavar="USER",
            help="become this user once the sockets are bound; all clients work as this user",
        ),
    ] = None  # fmt: skip
    state_dir: Annotated[
        FilePath | None,
        Meta(
            description="Keep the key and the tables of handles, the locks and the watched hosts"
            " in *DIR*, so that they outlive the daemon and the boot. The directory belongs to the"
            " user of **-u** and has mode 0700; it is made if it is missing. The default is"
            " */var/lib/NAME* if root starts the daemon, else *NAME* in the first directory of"
            " **$STATE_DIRECTORY**, in **$XDG_STATE_HOME**, or in *~/.local/state*; on another"
            " port than the usual one it is *NAME-PORT*."
        ),
        KeyOption(
            "--state-dir", metavar="DIR", group="state",
            help="keep handles and locks in this directory instead of /var/lib/NAME or,"
            " without root, ~/.local/state/NAME",
        ),
    ] = None  # fmt: skip
    state: Annotated[
        bool,
        Meta(
            description="Keep the state in the usual directory. With **\\--no-state** nothing is"
            " kept: when the daemon ends, clients have to mount again, and their locks are lost."
            " **status** still finds the daemon through that directory."
        ),
        KeyOption("--state", group="state", help="keep handles and locks over a restart"),
    ] = True
    pid_file: Annotated[
        FilePath | None,
        Meta(
            description="Lock this file, and write the process id into its first line, for"
            " **reload**, which otherwise finds the daemon by its state directory. The daemon"
            " removes the file at its end, if its user may."
        ),
        KeyOption(
            "--pid-file", metavar="FILE",
            help="lock this file and write the process id into it, for 'reload'",
        ),
    ] = None  # fmt: skip
    verbose: Annotated[
        bool,
        Meta(
            description="Log every call: its client, the user, the procedure, the path, the"
            " outcome."
        ),
        KeyOption("-v", "--verbose", help="log every call with its outcome"),
    ] = False
    only: Annotated[
        tuple[ProgramChoice, ...],
        Meta(
            min_length=1,
            description="Serve these programs only, with commas: **mount**, **nfs**, **acl**"
            " (access control lists), **nlm** (the lock manager), **status** (the status monitor,"
            " NSM), **rquota** (quotas). The default is all of them. **nlm** implies **status**.",
        ),
        KeyOption(
            "--only", metavar="PROGRAMS", split=True,
            help=f"serve only these programs, with commas: {', '.join(PROGRAMS)}",
        ),
    ] = tuple(map(ProgramChoice, PROGRAMS))  # fmt: skip
    nfs_versions: Annotated[
        tuple[NfsVersionNumber, ...],
        Meta(
            min_length=1,
            description="Serve these versions of NFS: 2, 3, or both with a comma. MOUNT is served"
            " in versions 1 and 2 for NFS 2, and in version 3 for NFS 3.",
        ),
        KeyOption("--nfs-versions", metavar="VERSIONS", split=True, help="serve only 3, or only 2"),
    ] = (NfsVersionNumber(2), NfsVersionNumber(3))
    port_mapper: Annotated[
        PortMapperUse,
        Meta(
            description="Where to register the programs. **host**: with the port mapper of this"
            " host, and again whenever that restarts. **own**: the daemon answers for a port mapper"
            " itself, on port 111 if that can be bound, else on a free port; it lists only its own"
            " programs. **none**: nowhere. **auto**: as **host** if root starts the daemon and a"
            " port mapper answers, else as **own**."
        ),
        KeyOption(
            "--port-mapper", metavar="WHICH",
            help="where to register: host (the port mapper of the host), own (one in this daemon),"
            " none, or auto (host, else own)",
        ),
    ] = PortMapperUse(AUTO)  # fmt: skip
    local_users: Annotated[
        bool | None,
        Meta(
            description="Serve all users of this host. Otherwise NFS and MOUNT are served to"
            " addresses of this host over TCP only, and only to root and to the user of the server;"
            " mounts by the kernel are root's. By default all users are served if the server works"
            " as the user of each call, and no others if it works as one user."
        ),
        KeyOption(
            "--local-users",
            help="serve all users of this host, also if the server works as one user",
        ),
    ] = None
    peer_uid: Annotated[
        bool,
        Meta(
            description="Check the users of this host: a call from one of its addresses is refused"
            " unless it names the user that the kernel reports for its TCP connection, or the"
            " connection is root's. Groups are those of the user database. Calls over UDP from this"
            " host are refused. Mounts by the kernel of this host are root's connections, and"
            " serve all users. Other hosts are not checked."
        ),
        KeyOption("--peer-uid", help="refuse local users that name another user in their calls"),
    ] = False
    workers: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_WORKERS,
            description="Serve NFS over TCP in this number of processes, each on a core of its own."
            " All connections of a client address are served by one of them. All directories must"
            " have handles of the kernel then. With {default} the server is one process.",
        ),
        KeyOption("--workers", metavar="NUMBER", help="serve TCP in this number of processes"),
    ] = 1
    directories: Annotated[
        tuple[FilePathOrUrl, ...],
        Meta(
            description="Export these directories, and not what the files of exports(5) name."
            " They have to be there when the daemon starts. A zip or tar archive is exported, for"
            " reading, as the directory that it holds. With **\\--backend fsspec** they are URLs."
        ),
        KeyOption(
            "directories", metavar="DIR", group="exports",
            help="export this directory, read and write, to --to",
        ),
    ] = ()  # fmt: skip
    to: Annotated[
        tuple[ExportClient, ...],
        Meta(
            description="Export the operands *DIR* to this client, as in exports(5):"
            " *192.0.2.0/24(ro)*. May be given more than once. The default is this host only."
            " Without root the options of a client begin with **insecure** and **all_squash**: all"
            " work as the user of the daemon."
        ),
        KeyOption(
            "--to", metavar="CLIENT",
            help="export DIR to this client, such as '192.0.2.0/24(ro)'; may be repeated",
        ),
    ] = ()  # fmt: skip

    backend: Annotated[
        BackendName,
        Meta(
            description="How the operands *DIR* are served. **local**: directories and archives of"
            " this host. **fsspec**: URLs of stores, such as *s3://bucket*, each exported as the"
            " path that its URL has: */bucket*. Keys for a store are in the environment, or in an"
            " **[[export]]** of nfsd.toml, which may name all settings of fsspec. **fuse**:"
            " classes of FUSE file systems in Python, *FILE.py:CLASS*, each exported as */FILE*. A"
            " class of an installed module, or with arguments, is for an **[[export]]**."
        ),
        KeyOption(
            "--backend", metavar="NAME",
            help="serve DIR by this back end: local (directories, archives), fsspec (URLs),"
            " or fuse (classes)",
        ),
    ] = BackendName(LOCAL)  # fmt: skip
    overlay: Annotated[
        FilePath | None,
        Meta(
            description="Keep all changes of the operand *DIR* in this directory, which is created"
            " if it is missing. *DIR*, which may be an archive or a URL, is only read."
        ),
        KeyOption(
            "--overlay", metavar="UPPER",
            help="keep all changes in the directory UPPER; DIR, or an archive, is only read",
        ),
    ] = None  # fmt: skip

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        DaemonTable.__post_init__(self)
        self._check_operands()
        if self.local:
            raise ValueError("local: nfsd has no local sockets; remove it")
        if self.workers > 1 and NFS not in self.only:
            raise ValueError("workers is for nfs; remove it, or add nfs to only")
        alone = sorted(OF_HANDLES & {*self.only}) if NFS not in self.only else ()
        if alone:
            raise ValueError(f"{alone[0]} needs the handles of nfs; add nfs to only")
        for program in PROGRAMS:
            if self.port_for(program) and program not in self.programs:
                raise ValueError(f"{program}-port is for {program}; add {program} to only")
        if self.directories and not EXPORTING & {*self.only}:
            raise ValueError(f"{self.only[0]} exports no directories; add nfs to only")

    def _check_operands(self) -> None:
        if self.to and not self.directories:
            raise ValueError("to is for directories; name one")
        if self.overlay is not None and len(self.directories) != 1:
            raise ValueError("overlay is for one directory; name one")
        for each in self.directories:
            if is_url(each) and self.backend != FSSPEC:
                raise ValueError(f"{path_of_url(each)} is a URL; add --backend fsspec")
            if not is_url(each) and self.backend == FSSPEC:
                raise ValueError(f"{each} is not a URL; write such as s3://bucket")
            if self.backend == FUSE and ".py:" not in each:
                raise ValueError(f"{each} is not FILE.py:CLASS; name a module in an [[export]]")
        if self.backend == FUSE and self.overlay is not None:
            raise ValueError("overlay is for local and fsspec; remove it")
        if self.workers > 1 and (self.backend != LOCAL or self.overlay is not None):
            raise ValueError("workers are for directories of this host; remove it")

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs to serve: the lock manager needs the status monitor."""
        wanted = {*self.only, *((STATUS,) if NLM in self.only else ())}
        return tuple(name for name in PROGRAMS if name in wanted)

    def port_for(self, program: str) -> int:
        """The port that is configured for a program; 0 if there is none."""
        return getattr(self, f"{program}_port", 0)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses to bind; empty for all."""
        if self.loopback or (os.geteuid() != 0 and not self.bind and not self.to):
            return tuple(LOOPBACKS.values())
        return self.bind


class ExportsTable(Table, frozen=True):
    """``[exports]``: the files of exports(5)."""

    files: Annotated[
        tuple[FilePath, ...],
        Meta(
            description="Files in the format of exports(5). Of a directory, those whose names end"
            " in `.exports`. A missing one is empty. **\\--exports** and *DIR* exclude each other."
        ),
        KeyOption(
            "--exports", metavar="FILE", group="exports",
            help="read the exports from this file, or the files *.exports of this directory,"
            " instead of /etc/exports and /etc/exports.d; may be repeated",
        ),
    ] = EXPORTS_FILES  # fmt: skip


class MountTable(Table, frozen=True):
    """``[mount]``: the program MOUNT."""

    list_all: Annotated[
        bool,
        Meta(
            description="**showmount -e** lists all exports; otherwise only those that the caller"
            " may mount."
        ),
    ] = True


class LocksTable(Table, frozen=True):
    """``[locks]``: the lock manager."""

    grace: Annotated[
        int,
        Meta(
            ge=0,
            le=3600,
            description="Seconds after the loss of all locks, by a crash or a restart of the host,"
            " in which clients claim their locks again, and get no others. The period ends earlier"
            " if all have done so, and there is none if nobody had a lock. Read at the start.",
        ),
    ] = int(GRACE)
    per_client: Annotated[
        int,
        Meta(
            ge=1,
            le=MOST_LOCKS,
            description="Locks of one client; at most as many as of all clients.",
        ),
    ] = MAX_CLIENT_LOCKS
    most: Annotated[
        int,
        Meta(ge=1, le=MOST_LOCKS, description="Locks of all clients."),
    ] = MAX_LOCKS

    def __post_init__(self) -> None:
        """Refuse a limit that is never reached; the default may be."""
        if self.per_client > self.most and self.per_client != MAX_CLIENT_LOCKS:
            raise ValueError(
                f"per-client is {self.per_client}, more than most, {self.most}; lower it"
            )


class IdentityTable(Table, frozen=True):
    """``[identity]``: the users that callers become."""

    manage_gids: Annotated[
        bool,
        Meta(
            description="Take a user's groups from the user database of this host, not from the"
            " call, which has room for 16."
        ),
    ] = False


class QuotaTable(Table, frozen=True):
    """``[quota]``: the program RQUOTA."""

    set: Annotated[
        bool,
        Meta(
            description="Root of a client may set quotas, by an export that is writable and has"
            " **no_root_squash**. The server keeps CAP_SYS_ADMIN then. Read at the start."
        ),
    ] = False


class NfsdConfig(Config, frozen=True):
    """The file as a whole."""

    at_start = (*Config.at_start, ("locks", "grace"), ("quota", "set"))
    daemon: NfsdDaemonTable = NfsdDaemonTable()
    exports: ExportsTable = ExportsTable()
    mount: MountTable = MountTable()
    identity: IdentityTable = IdentityTable()
    locks: LocksTable = LocksTable()
    quota: QuotaTable = QuotaTable()
    export: tuple[ExportConfig, ...] = ()


SCHEMA: Schema[NfsdConfig] = Schema(
    NfsdConfig, file="/etc/nfsd.toml", vocabulary=VOCABULARY, hooks=HOOKS
)
