"""A client of a host's lock manager, which calls it itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from oncrpc import sync
from oncrpc.addr import split_uaddr
from oncrpc.programs.nlm import (
    NLM4_VERS,
    NLM_PROG,
    nlm4_lock,
    nlm4_lockargs,
    nlm4_stats,
    nlm4_unlockargs,
)
from oncrpc.rpc import auth_sys
from support.hosts import Host
from support.lan_guests import SERVER
from support.nfs_user import NfsUser, mount


class NlmUser:
    """A process of the server's host that calls its lock manager itself, as a client would."""

    def __init__(self, host: Host, folder: str, file: str) -> None:
        self._host = host
        handle = NfsUser(host).lookup(mount(host, folder), file)
        self._lock = nlm4_lock(b"tester", handle.data, b"owner", 1, 0, 1)

    def lock(self) -> nlm4_stats:
        """The outcome of a request for the first byte, without waiting."""
        asked = nlm4_lockargs(b"lock", False, True, self._lock, False, 0)
        with self._calls() as nlm:
            outcome: nlm4_stats = nlm.NLMPROC4_LOCK(asked).stat.stat
        return outcome

    def unlock(self) -> None:
        """Give it back."""
        with self._calls() as nlm:
            nlm.NLMPROC4_UNLOCK(nlm4_unlockargs(b"", self._lock))

    @contextmanager
    def _calls(self) -> Iterator[Any]:
        with sync.run(self._host.dial("tcp", SERVER, port_of(self._host, NLM_PROG))) as link:
            auth = auth_sys(b"tester", 0, 0)
            yield NLM4_VERS.SyncClient(NLM4_VERS.Client(link)).with_options(auth=auth)


def port_of(host: Host, prog: int) -> int:
    """The port of a program over TCP and IPv4."""
    found = next(entry for entry in host.registered(prog) if entry.r_netid == b"tcp")
    return split_uaddr(found.r_addr.decode())[1]
