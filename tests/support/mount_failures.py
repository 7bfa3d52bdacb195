"""Mounts that fail, one for each cause: the server of each, and what its client does.

The name of a scenario is that of its cause. Servers are ours where they can fail so: ``nfsd``, and
the procedures of our port mapper over a registry that the scenario fills. Here are the failures of
the network and of the port mapper; ``mount_refusals`` has those of the programs.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from struct import pack

from oncrpc.addr import join_uaddr
from support.mount_client import (
    MAPPER,
    MOUNT,
    NFS,
    MountClient,
    MountFailed,
    opaque,
)
from support.mount_lab import MountLab, Site
from support.mount_refusals import (
    arguments_rejected,
    auth_rejected,
    auth_too_weak,
    flavor_not_offered,
    gss_context_lost,
    gss_context_refused,
    handle_stale,
    in_grace,
    lockd_not_registered,
    lockd_unreachable,
    locks_refused,
    mount_denied,
    mount_denied_unreserved,
    mount_error,
    mount_version,
    nfs4_client_known,
    nfs4_minor_version,
    nfs4_path_missing,
    nfs4_wrong_flavor,
    nfs_error,
    nfs_version,
    path_missing,
    path_not_directory,
    procedure_missing,
    reserved_port_needed,
    root_denied,
    server_busy,
    server_error,
    statd_not_registered,
    wrong_program,
)
from support.mount_scripts import (
    FLAVOR_UNIX,
    FSINFO,
    HANDLE,
    HEALTHY,
    MOUNT_PORT,
    OK,
    READDIRPLUS,
    SILENCE,
    USUAL,
    accepted,
    mounts,
    port_mapper,
    programs,
    rule,
    scripted,
    without,
)
from support.scripted_server import HANG_UP

Scenario = Callable[[MountLab], Site]


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
