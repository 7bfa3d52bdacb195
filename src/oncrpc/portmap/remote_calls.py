"""Which procedures CALLIT, BCAST and INDIRECT may call (RFC 1833 §2.2.1, §3.2).

A forwarded call reaches its program from 127.0.0.1. A program that decides by the caller's address
takes it for a call of this host. So only procedures that anyone may call are forwarded to such a
program. The configuration can add programs; it cannot remove any.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from oncrpc.programs.portmap import PMAP_PROG
from oncrpc.rpc.program import NULLPROC


class Restricted(NamedTuple):
    """A program that decides by the caller's address, and the procedures that may be called."""

    prog: int
    name: str
    reason: str
    allowed: frozenset[int] = frozenset()


RESTRICTED = (
    Restricted(100000, "portmapper", "Registers servers for callers on this host."),
    Restricted(100003, "nfs", "Exports directories to hosts, often to this one."),
    Restricted(
        100004, "ypserv", "Sends NIS maps to the hosts of *securenets*.",
        frozenset({1, 2}),  # YPPROC_DOMAIN, YPPROC_DOMAIN_NONACK: a broadcast finds servers by them
    ),
    Restricted(100005, "mountd", "Gives file handles, and keeps mount records, by host."),
    Restricted(
        100007, "ypbind", "Accepts another NIS server from callers on this host.",
        frozenset({1}),  # YPBINDPROC_DOMAIN
    ),
    Restricted(100009, "yppasswdd", "Changes NIS passwords."),
    Restricted(100011, "rquotad", "Shows the quotas of users to hosts that mount from it."),
    Restricted(100017, "rexd", "Runs commands for users of trusted hosts."),
    Restricted(100020, "llockmgr", "Keeps file locks by host."),
    Restricted(100021, "nlockmgr", "Keeps file locks by host: one host could free another's."),
    Restricted(
        100024, "status", "Accepts SM_MON, SM_UNMON_ALL and SM_SIMU_CRASH from this host only.",
        frozenset({6}),  # SM_NOTIFY: other hosts send it to tell that they have restarted
    ),
    Restricted(100028, "ypupdated", "Changes NIS maps."),
    Restricted(100029, "keyserv", "Uses the secret keys of users for callers on this host."),
    Restricted(100069, "ypxfrd", "Sends whole NIS maps to the hosts of *securenets*."),
    Restricted(100227, "nfs_acl", "Shows and changes access lists of exported files, by host."),
    Restricted(300019, "amd", "Mounts and unmounts for callers on this host."),
    Restricted(391002, "sgi_fam", "Watches files for users of this host."),
    Restricted(545580417, "ugidd", "Shows user names to the hosts of *hosts.allow*."),
    Restricted(600100069, "fypxfrd", "Sends whole NIS maps to the hosts of *securenets*."),
)  # fmt: skip
"""Programs that are restricted always. Procedure 0, which does nothing, may always be called."""

ALLOWED = {each.prog: each.allowed for each in RESTRICTED}


class RemoteCallRules:
    """Decides which procedures may be called for others.

    ``denied`` programs are added to the table above. With ``insecure`` callers from everywhere may
    register, so that calls to the port mapper itself are forwarded, too.
    """

    def __init__(self, denied: Collection[int] = (), *, insecure: bool = False) -> None:
        self.denied, self.insecure = frozenset(denied), insecure

    def allow(self, prog: int, proc: int) -> bool:
        """Whether the procedure may be called."""
        if proc == NULLPROC:
            return True
        if prog in self.denied:
            return False
        if prog == PMAP_PROG and self.insecure:
            return True
        return prog not in ALLOWED or proc in ALLOWED[prog]
