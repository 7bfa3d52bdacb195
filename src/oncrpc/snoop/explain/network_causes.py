"""Causes in the network or the port mapper: firewalls, ports, addresses, packet sizes."""

from __future__ import annotations

from oncrpc.snoop.explain.causes import SERVING, Cause
from oncrpc.snoop.explain.steps import (
    LOCKING,
    MountAttempt,
    MountStep,
    ServerPart,
    StepEnd,
    StepKind,
)

MAPPER = (ServerPart.MAPPER,)
SILENT = (StepEnd.SILENT,)
REFUSED = (StepEnd.REFUSED,)
MISSING = (StepEnd.MISSING,)


def _lost_large(attempt: MountAttempt, step: MountStep) -> bool:
    """Whether a large packet of the step is lost.

    A lost reply also loses the acknowledgement of the call, so the client sends the call again.
    """
    large_reply = step.question.text in ("READ", "READDIR", "READDIRPLUS")
    return step.lost > 0 or (attempt.mounted and step.resent > 0 and large_reply)


def _resends(_: MountAttempt, step: MountStep) -> bool:
    return step.resent > 0


def _in_fragments(attempt: MountAttempt, step: MountStep) -> bool:
    return step.transport == "udp" and attempt.fragment > step.number


def _by_arp(_: MountAttempt, step: MountStep) -> bool:
    return step.question.text.startswith(("ARP", "ND"))


def _by_firewall(_: MountAttempt, step: MountStep) -> bool:
    """Whether ICMP answers a SYN; a host without a listener would answer with RST."""
    return step.transport == "tcp" and step.result.status == "port unreachable"


def _registered(_: MountAttempt, step: MountStep) -> bool:
    return step.registered


def _over_udp(attempt: MountAttempt, step: MountStep) -> bool:
    """Whether the port mapper has the program over TCP, but not over UDP."""
    return step.question.transport.startswith("udp") and any(
        each.question.about is step.question.about and each.result.port
        for each in attempt.steps
        if each.question.transport.startswith("tcp")
    )


def _by_datagram(_: MountAttempt, step: MountStep) -> bool:
    return step.transport == "udp"


def _from_elsewhere(_: MountAttempt, step: MountStep) -> bool:
    """Whether the client ignored a reply for its source; commands like showmount accept any."""
    accepted = step.question.kind in (StepKind.LIST, StepKind.UNMOUNT) and step.last < step.ended
    return bool(step.reply_source) and not accepted


NETWORK_CAUSES = (
    Cause(
        "host-silent",
        "No host has the address {server}: ARP requests (IPv6: neighbor discovery) are not "
        "answered.",
        "Check the address of the server, that it is up, and the network between (cable, VLAN).",
        ends=SILENT,
        condition=_by_arp,
    ),
    Cause(
        "packet-too-big",
        "A router refuses packets of this size: it forwards {mtu} bytes at most.",
        "Let ICMP 'fragmentation needed' pass all firewalls, or set the MTU of {server} and "
        "{client} to {mtu}.",
        ends=SILENT,
        condition=lambda attempt, _: attempt.mtu > 0,
    ),
    Cause(
        "large-packets-lost",
        "Small packets pass, large ones do not: {question} has no whole answer, and large segments "
        "are sent again or missing.",
        "Find the link with the smaller MTU (ping -M do -s 1472 {server}), and set the same MTU on "
        "both hosts and all switches between.",
        ends=SILENT,
        condition=_lost_large,
    ),
    Cause(
        "fragments-lost",
        "The answer to {question} comes in fragments of IP, and some of them are lost.",
        "Mount over TCP (proto=tcp,mountproto=tcp), or let the firewall pass fragments.",
        ends=SILENT,
        condition=_in_fragments,
    ),
    Cause(
        "firewall-rejects",
        "A firewall rejects what {client} sends to port {port} of {server} ({transport}).",
        "Open port {port} ({transport}) in the firewall of {server} or on the way.",
        ends=(StepEnd.PROHIBITED,),
    ),
    Cause(
        "firewall-rejects-port",
        "A firewall rejects connections to port {port} of {server}: it answers with ICMP; a host "
        "without a listener would answer with RST.",
        "Open port {port} (TCP) in the firewall of {server} or on the way.",
        ends=REFUSED,
        condition=_by_firewall,
    ),
    Cause(
        "host-unreachable",
        "No route leads from {client} to {server}: a router reports that the host is unreachable.",
        "Check the address of the server and the routes of both hosts.",
        ends=(StepEnd.UNREACHABLE,),
    ),
    Cause(
        "mapper-silent",
        "The port mapper on {server} does not answer (port 111, {transport}).",
        "Open port 111 for TCP and UDP in the firewall of {server} and on the way; or mount by "
        "NFS 4, which needs port 2049 only.",
        ends=SILENT,
        asked=MAPPER,
    ),
    Cause(
        "mapper-not-running",
        "No port mapper runs on {server}: port 111 ({transport}) is refused.",
        "Start rpcbind or portmap on {server}, then the NFS server, so that it registers again.",
        ends=REFUSED,
        asked=MAPPER,
    ),
    Cause(
        "mapper-denies",
        "The port mapper on {server} refuses {client}: {status}.",
        "Let {client} in: see hosts.allow and hosts.deny on {server}, or portmap.toml.",
        ends=(StepEnd.REJECTED, StepEnd.CLOSED),
        asked=MAPPER,
        kinds=(StepKind.LOOKUP, StepKind.CONNECT),
        statuses=("", "AUTH_TOOWEAK", "AUTH_REJECTEDCRED", "PROG_UNAVAIL", "PROC_UNAVAIL"),
    ),
    Cause(
        "udp-not-served",
        "{server} serves {program} over TCP only, and {client} asks for UDP.",
        "Mount with proto=tcp,mountproto=tcp, or let the server serve UDP.",
        ends=MISSING,
        condition=_over_udp,
    ),
    Cause(
        "mountd-not-registered",
        "The port mapper on {server} runs, but mountd version {version} is not registered with it "
        "for {wanted_transport}.",
        "Start the NFS server on {server}; if it runs, restart it so that it registers again. "
        "'rpcinfo -p {server}' shows what is registered.",
        ends=MISSING,
        about=(ServerPart.MOUNT,),
    ),
    Cause(
        "nfs-not-registered",
        "The port mapper on {server} runs, but NFS version {version} is not registered with it for "
        "{wanted_transport}.",
        "Start the NFS server on {server} with version {version}, or mount another version "
        "(vers=4 needs no port mapper). 'rpcinfo -p {server}' shows what is registered.",
        ends=MISSING,
        about=(ServerPart.NFS,),
    ),
    Cause(
        "lockd-not-registered",
        "Locks fail: {server} has no lock manager; NLM version {version} is not registered.",
        "Start the lock manager of the server (lockd), or mount with 'nolock' if no two clients "
        "lock the same files.",
        ends=MISSING,
        about=(ServerPart.LOCK,),
    ),
    Cause(
        "statd-not-registered",
        "Locks fail: {server} has no status monitor; it is not registered with the port mapper.",
        "Start rpc.statd on {server}.",
        ends=MISSING,
        about=(ServerPart.STATUS,),
    ),
    Cause(
        "wrong-address",
        "The port mapper on {server} answers with an address that {client} cannot use: {result}.",
        "Let the server register an address of the family of {client} that is not a loopback "
        "address; check the addresses that it is bound to.",
        ends=(StepEnd.FAILED,),
        asked=MAPPER,
    ),
    Cause(
        "reply-from-other-address",
        "{server} answers {question} from another of its addresses, {reply_source}; the client "
        "ignores replies from there.",
        "Mount from {reply_source}, use TCP, or correct the routes of the server.",
        condition=_from_elsewhere,
    ),
    Cause(
        "stale-registration",
        "The port mapper on {server} has port {port} for {program}, but nothing listens there: the "
        "program ended without unregistering.",
        "Restart {program} on {server}.",
        ends=REFUSED,
        condition=_registered,
    ),
    Cause(
        "udp-refused",
        "{server} does not serve {program} over UDP: port {port} is refused.",
        "Mount with proto=tcp,mountproto=tcp, or let the server serve UDP.",
        ends=REFUSED,
        asked=SERVING,
        condition=_by_datagram,
    ),
    Cause(
        "nfs-not-running",
        "No NFS server runs on {server}: port {port} is refused.",
        "Start the NFS server on {server}.",
        ends=REFUSED,
        asked=SERVING,
    ),
    Cause(
        "lockd-unreachable",
        "Locks fail: {program} on {server} does not answer at port {port} ({transport}).",
        "Open the ports of the lock manager and of statd in the firewall of {server}; give them "
        "fixed ports first.",
        ends=(*SILENT, *REFUSED, StepEnd.CLOSED),
        asked=LOCKING,
    ),
    Cause(
        "program-port-silent",
        "The port mapper on {server} has port {port} for {program}, but nothing answers there: a "
        "firewall drops it.",
        "Open port {port} ({transport}) in the firewall of {server}. Give {program} a fixed port "
        "first: one chosen by the system changes at each start.",
        ends=SILENT,
        kinds=(StepKind.CONNECT, StepKind.PING),
        condition=_registered,
    ),
    Cause(
        "nfs-port-silent",
        "Port {port} of {server} ({program}, {transport}) does not answer.",
        "Open port {port} ({transport}) in the firewall of {server} and on the way.",
        ends=SILENT,
        asked=SERVING,
        kinds=(StepKind.CONNECT, StepKind.PING),
    ),
    Cause(
        "connection-dead",
        "{server} no longer acknowledges anything on the connection to port {port}: TCP "
        "sends {question} again and again.",
        "Check that {server} is up, and that no firewall on the way drops idle connections.",
        ends=SILENT,
        condition=_resends,
    ),
    Cause(
        "closed-at-once",
        "{program} on {server} closes the connection without an answer to {question}.",
        "See the log of the server: access control (hosts.allow, TLS or a reserved port required), "
        "a limit of connections, or a crash.",
        ends=(StepEnd.CLOSED,),
    ),
    Cause(
        "no-answer",
        "{program} on {server} receives {question}, but does not answer.",
        "See the log of the server: it may wait for a disk, a name service or another process.",
        ends=SILENT,
    ),
)
