"""Mounts that a program refuses, one for each cause: RPC, MOUNT, NFS, locks and NFS 4."""

from __future__ import annotations

from contextlib import suppress
from struct import pack

from support.mount_client import (
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
from support.mount_scripts import (
    FSINFO,
    HANDLE,
    HEALTHY,
    JUKEBOX,
    MOUNT_PORT,
    NLM_PORT,
    OK,
    READDIRPLUS,
    USUAL,
    Answer,
    accepted,
    mounts,
    port_mapper,
    programs,
    rejected,
    rule,
    scripted,
    without,
)


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
