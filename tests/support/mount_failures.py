"""Mounts that fail, one for each cause: the server of each, and what its client does.

The name of a scenario is that of its cause. Servers are ours where they can fail so: ``nfsd``, and
the procedures of our port mapper over a registry that the scenario fills.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from struct import pack, unpack_from
from typing import cast

from oncrpc.addr import join_uaddr
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import Registry
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc import Caller
from oncrpc.rpc.dispatch import Dispatcher
from support.mount_client import (
    MAPPER,
    MOUNT,
    NFS,
    NLM,
    STATUS,
    MountClient,
    MountFailed,
    checked,
    opaque,
)
from support.mount_lab import MountLab, Site
from support.scripted_server import HANG_UP, Handle

MOUNT_PORT, NLM_PORT = 20048, 32803
HANDLE = bytes(range(32))
FLAVOR_UNIX = pack(">II", 1, 1)
OK = bytes(4)
ROOT_OK = OK + bytes(100)
FSINFO, GETATTR, READDIRPLUS = 19, 1, 17
STALE, JUKEBOX = 70, 10008
SILENCE = None

Answer = bytes | None | Callable[[], bytes | None]
"""What follows the xid of a reply; None is silence."""

Scenario = Callable[[MountLab], Site]
Programs = Mapping[tuple[int, int], Answer]


def accepted(results: bytes = b"", *, stat: int = 0) -> bytes:
    """An accepted reply without its xid."""
    return pack(">IIIII", 1, 0, 0, 0, stat) + results


def rejected(why: int) -> bytes:
    """A reply that rejects the credential."""
    return pack(">IIII", 1, 1, 1, why)


HEALTHY: dict[tuple[int, int], Answer] = {
    (MOUNT, 1): accepted(OK + opaque(HANDLE) + FLAVOR_UNIX),
    (NFS, FSINFO): accepted(ROOT_OK),
    (NFS, GETATTR): accepted(ROOT_OK),
}
"""The answers of MOUNT and NFS that are not NULL."""


def programs(answers: Programs) -> Handle:
    """A server with these answers by program and procedure; NULL is always answered."""

    def handle(message: bytes) -> bytes | None:
        prog, _, proc = unpack_from(">III", message, 12)
        answer = answers.get((prog, proc), accepted() if proc == 0 else SILENCE)
        answer = answer() if callable(answer) else answer
        return message[:4] + answer if answer else answer

    return handle


def port_mapper(site: Site, *entries: tuple[int, int, str, int]) -> Handle:
    """Our port mapper with registrations: program, version, netid, port."""
    registry = Registry(limit=100)
    for prog, vers, netid, port in entries:
        uaddr = join_uaddr(site.server, port).encode()
        assert registry.set(rpcb(prog, vers, netid.encode(), uaddr, b"superuser"))
    mapper = Mapper(registry, is_ours=lambda host: host == site.server)
    dispatcher = Dispatcher(mapper.services(), clock=time.monotonic)
    caller = Caller("udp", (site.client, 700, 0), (site.server, 111, 0), datagram=True)
    return lambda message: cast(bytes | None, dispatcher.handle(message, caller))


USUAL = (
    (MOUNT, 3, "udp", MOUNT_PORT), (MOUNT, 3, "tcp", MOUNT_PORT), (NFS, 3, "tcp", 2049),
    (NFS, 3, "udp", 2049),
)  # fmt: skip


def without(*progs: int) -> tuple[tuple[int, int, str, int], ...]:
    """The usual registrations, but not those of some programs."""
    return tuple(entry for entry in USUAL if entry[0] not in progs)


def rule(site: Site, what: str) -> None:
    """Let the server's kernel do that with packets: ``ipproto tcp dport 2049 blackhole``."""
    site.host.sh(f"ip rule add pref 10 to {site.server} {what}")


def mounts(lab: MountLab, site: Site, **options: object) -> Site:
    """A client mounts in the usual way, as far as it gets."""
    reserved = bool(options.pop("reserved", True))
    with (
        MountClient(lab.client, site.server, reserved=reserved) as client,
        suppress(MountFailed),
    ):
        client.mount(**options)  # type: ignore[arg-type]  # options of that method
    return site


def scripted(lab: MountLab, answers: Programs, *entries: tuple[int, int, str, int]) -> Site:
    """A site with our port mapper, and MOUNT and NFS whose answers differ from healthy ones."""
    site = lab.site()
    lab.serve(site, port_mapper(site, *(entries or USUAL)), 111)
    lab.serve(site, programs(HEALTHY | dict(answers)), MOUNT_PORT, 2049)
    return site


# The network and the port mapper


def mapper_silent(lab: MountLab) -> Site:
    site = lab.site()
    rule(site, "ipproto udp dport 111 blackhole")
    return mounts(lab, site)


def mapper_not_running(lab: MountLab) -> Site:
    site = lab.site()
    for _ in range(3):
        mounts(lab, site)
    return site


def mountd_not_registered(lab: MountLab) -> Site:
    return mounts(lab, scripted(lab, {}, *without(MOUNT)))


def nfs_not_registered(lab: MountLab) -> Site:
    return mounts(lab, scripted(lab, {}, *without(NFS)))


def udp_not_served(lab: MountLab) -> Site:
    site = scripted(lab, {}, *(entry for entry in USUAL if entry[2] == "tcp"))
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        client.port(NFS, 3, "tcp", by="udp")
        client.port(MOUNT, 3, "tcp", by="udp")
        client.port(MOUNT, 3, "udp", by="udp")
    return site


def wrong_address(lab: MountLab) -> Site:
    site = lab.site()
    results = opaque(join_uaddr("127.0.0.1", MOUNT_PORT).encode())
    lab.serve(site, programs({(MAPPER, 3): accepted(results)}), 111)
    with MountClient(lab.client, site.server) as client:
        client.address(MOUNT, 3, b"tcp")
    return site


def stale_registration(lab: MountLab) -> Site:
    site = lab.site()
    lab.serve(site, port_mapper(site, *USUAL), 111)
    return mounts(lab, site, mount_transport="tcp")


def program_port_silent(lab: MountLab) -> Site:
    site = scripted(lab, {})
    rule(site, f"ipproto tcp dport {MOUNT_PORT} blackhole")
    return mounts(lab, site, mount_transport="tcp")


def firewall_rejects(lab: MountLab) -> Site:
    site = scripted(lab, {})
    rule(site, "ipproto tcp dport 2049 prohibit")
    return mounts(lab, site)


def host_unreachable(lab: MountLab) -> Site:
    """The server's host is a router, and has no route to the address."""
    site = lab.site()
    far = site._replace(server=site.server.replace("10.51.2", "10.55.2"))
    lab.client.sh(f"ip route add {far.server} via 10.51.0.2 src {site.client}")
    rule(far, "unreachable")
    return mounts(lab, far)


def host_silent(lab: MountLab) -> Site:
    site = lab.site()
    site.host.sh(f"ip address del {site.server}/32 dev net0")
    return mounts(lab, site, mount_transport="udp")


def udp_refused(lab: MountLab) -> Site:
    site = lab.site()
    lab.serve(site, programs(HEALTHY), 2049, udp=False)
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        client.null("udp", 2049, NFS, 3)
    return site


def nfs_not_running(lab: MountLab) -> Site:
    site = lab.site()
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        client.null("tcp", 2049, NFS, 4)
    return site


def nfs_port_silent(lab: MountLab) -> Site:
    site = lab.site()
    rule(site, "ipproto tcp dport 2049 blackhole")
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        client.null("tcp", 2049, NFS, 4)
    return site


def reply_from_other_address(lab: MountLab) -> Site:
    """A server of UDP that sends from its first address, as one without IP_PKTINFO does."""
    site = lab.site()
    with site.host.network():
        asked, other = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    asked.bind((site.server, 111))
    other.bind(("10.51.0.2", 0))
    stopped = threading.Event()
    handle = port_mapper(site, *USUAL)

    def serve() -> None:
        while not stopped.is_set():
            with suppress(TimeoutError):
                message, source = asked.recvfrom(9000)
                other.sendto(handle(message) or b"", source)

    asked.settimeout(0.2)
    thread = threading.Thread(target=serve)
    thread.start()
    mounts(lab, site)
    stopped.set()
    thread.join()
    asked.close()
    other.close()
    return site


def closed_at_once(lab: MountLab) -> Site:
    return mounts(lab, scripted(lab, {(NFS, 0): HANG_UP}))


def no_answer(lab: MountLab) -> Site:
    return mounts(lab, scripted(lab, {(NFS, FSINFO): SILENCE}))


def large_packets_lost(lab: MountLab) -> Site:
    """A router on the way drops large segments, and the client lets the server send such."""
    site = lab.far_site("narrow", 57, options="advmss 1460")
    lab.serve(site, port_mapper(site, *USUAL), 111)
    listing = accepted(OK + bytes(3064))
    lab.serve(site, programs(HEALTHY | {(NFS, READDIRPLUS): listing}), MOUNT_PORT, 2049)
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        port, handle = client.mount()
        client.nfs("tcp", port, READDIRPLUS, opaque(handle) + bytes(24))
    return site


def connection_dead(lab: MountLab) -> Site:
    """A router drops the packets of a connection from some moment on."""
    site = lab.far_site("scripted", 58)
    lab.serve(site, port_mapper(site, *USUAL), 111)
    lab.serve(site, programs(HEALTHY), MOUNT_PORT, 2049)
    with MountClient(lab.client, site.server, timeout=0.7) as client, suppress(MountFailed):
        _, handle = client.mount()
        rule(site._replace(host=lab.hosts[site.kind]), "ipproto tcp dport 2049 blackhole")
        client.nfs("tcp", 2049, FSINFO, opaque(handle))
    return site


def fragments_lost(lab: MountLab) -> Site:
    """A router on the way drops the large fragments of each answer."""
    site = lab.far_site("narrow", 56)
    exports = b"".join(pack(">I", 1) + opaque(b"/srv/%03d" % n) + bytes(4) for n in range(160))
    lab.serve(site, programs({(MOUNT, 5): accepted(exports + bytes(4))}), MOUNT_PORT)
    lab.serve(site, port_mapper(site, *USUAL), 111)
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        client.call("udp", client.port(MOUNT, 3, "udp"), (MOUNT, 3, 5))
    return site


def server_slow(lab: MountLab) -> Site:
    """The client gives up before the reply."""

    def late() -> bytes:
        threading.Event().wait(1.0)
        return accepted(OK + opaque(HANDLE) + FLAVOR_UNIX)

    return mounts(lab, scripted(lab, {(MOUNT, 1): late}))


def replies_lost(lab: MountLab) -> Site:
    """The server's replies do not get to the client's socket."""
    site = scripted(lab, {})
    lab.client.sh(
        "ip rule add pref 100 lookup local; ip rule del pref 0 || true; "
        f"ip rule add pref 10 from {site.server} ipproto udp sport 111 blackhole"
    )
    return mounts(lab, site)


# The programs


def mount_version(lab: MountLab) -> Site:
    site = lab.site("nfsd")
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        client.null("tcp", 2049, MOUNT, 4)
    return site


def nfs_version(lab: MountLab) -> Site:
    site = lab.site("nfsd")
    lab.client.run(["nfs-ls", f"nfs://{site.server}/srv/data?version=4"])
    return site


def wrong_program(lab: MountLab) -> Site:
    """NFS is registered at the port of a server that has only MOUNT."""
    site = lab.site()
    entries = (*without(NFS), (NFS, 3, "tcp", MOUNT_PORT))
    lab.serve(site, port_mapper(site, *entries), 111)
    answers = HEALTHY | {(NFS, 0): accepted(stat=1)}
    lab.serve(site, programs(answers), MOUNT_PORT)
    return mounts(lab, site)


def reserved_port_needed(lab: MountLab) -> Site:
    return mounts(lab, scripted(lab, {(NFS, FSINFO): rejected(5)}), reserved=False)


def auth_too_weak(lab: MountLab) -> Site:
    return mounts(lab, scripted(lab, {(NFS, FSINFO): rejected(5)}))


def auth_rejected(lab: MountLab) -> Site:
    """The client's credential of AUTH_SYS is cut short."""
    site = lab.site("nfsd")
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        client.null("tcp", 2049, MOUNT, 3)
        client.credential = pack(">III", 1, 4, 0)
        client.handle("tcp", 2049, "/srv/data")
    return site


def gss_context_refused(lab: MountLab) -> Site:
    """GSS_S_FAILURE to the first call of a context."""
    results = opaque(b"") + pack(">III", 13 << 16, 0, 0) + opaque(b"")
    site = scripted(lab, {(NFS, 0): accepted(results)})
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        init = pack(">IIIIIII", 6, 20, 1, 1, 0, 1, 0)
        _with_credential(client, init, (NFS, 3, 0), opaque(b"a token of Kerberos"))
    return site


def gss_context_lost(lab: MountLab) -> Site:
    site = scripted(lab, {(NFS, FSINFO): rejected(14)})
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        data = pack(">IIIII", 6, 24, 1, 0, 1) + pack(">I", 1) + opaque(b"ctx1")
        _with_credential(client, data, (NFS, 3, FSINFO), opaque(HANDLE))
    return site


def _with_credential(
    client: MountClient, credential: bytes, target: tuple[int, int, int], arguments: bytes
) -> None:
    """Call NFS with a credential, also NULL."""
    client.credential = credential
    client.call("tcp", 2049, target, arguments)


def arguments_rejected(lab: MountLab) -> Site:
    """MNT without a path."""
    site = lab.site("nfsd")
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        client.call("tcp", 2049, (MOUNT, 3, 1))
    return site


def procedure_missing(lab: MountLab) -> Site:
    """MNT of a server that has only the lists."""
    return mounts(lab, scripted(lab, {(MOUNT, 1): accepted(stat=3)}))


def server_error(lab: MountLab) -> Site:
    return mounts(lab, scripted(lab, {(MOUNT, 1): accepted(stat=5)}))


def flavor_not_offered(lab: MountLab) -> Site:
    """The export is for Kerberos only."""
    results = OK + opaque(HANDLE) + pack(">III", 2, 390003, 390004)
    site = scripted(lab, {(MOUNT, 1): accepted(results)})
    with MountClient(lab.client, site.server) as client:
        client.handle("udp", client.port(MOUNT, 3, "udp"), "/srv/data")
    return site


def mount_denied(lab: MountLab) -> Site:
    return mounts(lab, lab.site("nfsd"), path="/srv/closed")


def mount_denied_unreserved(lab: MountLab) -> Site:
    return mounts(lab, lab.site("nfsd"), reserved=False)


def path_missing(lab: MountLab) -> Site:
    return mounts(lab, lab.site("nfsd"), path="/srv/data/nothing")


def path_not_directory(lab: MountLab) -> Site:
    return mounts(lab, lab.site("nfsd"), path="/srv/data/hello.txt")


def mount_error(lab: MountLab) -> Site:
    return mounts(lab, lab.site("nfsd"), path="/srv/data/" + "x" * 300)


def handle_stale(lab: MountLab) -> Site:
    """The client has a handle of another server."""
    site = lab.site("nfsd")
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        client.begin(HANDLE)
    return site


def root_denied(lab: MountLab) -> Site:
    site = lab.site("nfsd")
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        port, handle = client.mount("/srv/private")
        client.nfs("tcp", port, READDIRPLUS, opaque(handle) + pack(">QQII", 0, 0, 4096, 8192))
    return site


def server_busy(lab: MountLab) -> Site:
    site = scripted(lab, {(NFS, FSINFO): accepted(pack(">II", JUKEBOX, 0))})
    with MountClient(lab.client, site.server) as client:
        for _ in range(3):
            with suppress(MountFailed):
                client.nfs("tcp", 2049, FSINFO, opaque(HANDLE))
    return site


def nfs_error(lab: MountLab) -> Site:
    return mounts(lab, scripted(lab, {(NFS, FSINFO): accepted(pack(">II", 5, 0))}))


# Locks


def lockd_not_registered(lab: MountLab) -> Site:
    site = mounts(lab, scripted(lab, {}))
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        client.port(NLM, 4, "tcp")
    return site


def statd_not_registered(lab: MountLab) -> Site:
    site = mounts(lab, scripted(lab, {}))
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        client.port(STATUS, 1, "udp")
    return site


def lockd_unreachable(lab: MountLab) -> Site:
    site = mounts(lab, scripted(lab, {}, *USUAL, (NLM, 4, "tcp", NLM_PORT)))
    rule(site, f"ipproto tcp dport {NLM_PORT} blackhole")
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        client.lock(client.port(NLM, 4, "tcp"), HANDLE)
    return site


def locks_refused(lab: MountLab) -> Site:
    return _locks(lab, 2)


def in_grace(lab: MountLab) -> Site:
    return _locks(lab, 4)


def _locks(lab: MountLab, status: int) -> Site:
    """A mount, and a lock that is answered with a status."""
    site = scripted(lab, {}, *USUAL, (NLM, 4, "tcp", NLM_PORT))
    answers = {(NLM, 2): accepted(opaque(b"ck") + pack(">I", status))}
    lab.serve(site, programs(answers), NLM_PORT)
    mounts(lab, site)
    with MountClient(lab.client, site.server) as client:
        client.lock(client.port(NLM, 4, "tcp"), HANDLE)
    return site


# NFS 4


def nfs4_minor_version(lab: MountLab) -> Site:
    return _compound(lab, "ganesha", pack(">III", 7, 1, 24))


def nfs4_path_missing(lab: MountLab) -> Site:
    site = lab.site("ganesha")
    lab.client.run(["nfs-ls", f"nfs://{site.server}/nowhere?version=4"])
    return site


def nfs4_wrong_flavor(lab: MountLab) -> Site:
    lookup = pack(">II", 24, 15) + opaque(b"data")
    results = pack(">I", 10016) + opaque(b"") + pack(">IIIII", 2, 24, 0, 15, 10016)
    return _compound(lab, "scripted", pack(">II", 0, 2) + lookup, accepted(results))


def nfs4_client_known(lab: MountLab) -> Site:
    client = pack(">I", 35) + bytes(8) + opaque(b"linux") + pack(">I", 0x40000000)
    args = pack(">II", 0, 1) + client + opaque(b"tcp") + opaque(b"192.0.2.1.1.1") + pack(">I", 1)
    used = opaque(b"tcp") + opaque(b"192.0.2.9.1.1")
    results = pack(">I", 10017) + opaque(b"") + pack(">III", 1, 35, 10017) + used
    return _compound(lab, "scripted", args, accepted(results))


def _compound(lab: MountLab, kind: str, args: bytes, answer: Answer = None) -> Site:
    """A COMPOUND, whose arguments follow the tag."""
    site = lab.site(kind)
    if answer is not None:
        lab.serve(site, programs({(NFS, 1): answer}), 2049)
    with MountClient(lab.client, site.server) as client, suppress(MountFailed):
        client.null("tcp", 2049, NFS, 4)
        checked(client.call("tcp", 2049, (NFS, 4, 1), opaque(b"") + args))
    return site


# Mounts that work


def healthy(lab: MountLab) -> Site:
    """libnfs mounts and lists the directory."""
    site = lab.site("nfsd")
    lab.client.run(["nfs-ls", f"nfs://{site.server}/srv/data"])
    return site


OF_GANESHA = (nfs4_minor_version, nfs4_path_missing)
SCENARIOS: tuple[Scenario, ...] = (
    mapper_silent, mapper_not_running, mountd_not_registered, nfs_not_registered, udp_not_served,
    wrong_address, stale_registration, program_port_silent, firewall_rejects, host_unreachable,
    host_silent, udp_refused, nfs_not_running, nfs_port_silent, reply_from_other_address,
    closed_at_once, no_answer, large_packets_lost, connection_dead, fragments_lost, server_slow,
    replies_lost,
    mount_version, nfs_version, wrong_program, reserved_port_needed, auth_too_weak, auth_rejected,
    gss_context_refused, gss_context_lost, arguments_rejected, procedure_missing, server_error,
    flavor_not_offered, mount_denied, mount_denied_unreserved, path_missing, path_not_directory,
    mount_error, handle_stale, root_denied, server_busy, nfs_error, lockd_not_registered,
    statd_not_registered, lockd_unreachable, locks_refused, in_grace, nfs4_wrong_flavor,
    nfs4_client_known, healthy, *OF_GANESHA,
)  # fmt: skip


def cause_of(scenario: Scenario) -> str:
    """The name of the cause that a scenario shows."""
    return scenario.__name__.replace("_", "-")
