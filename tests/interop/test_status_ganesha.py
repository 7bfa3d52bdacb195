"""nfs-ganesha has our status monitor watch its clients: it frees their locks when they restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oncrpc import sync
from oncrpc.programs.mount import MOUNT_V3
from oncrpc.programs.nfs3 import NFS_V3, LOOKUP3args, diropargs3, nfs_fh3
from oncrpc.programs.nlm import NLM4_VERS, nlm4_lock, nlm4_lockargs, nlm4_stats, nlm4_testargs
from oncrpc.programs.sm_inter import SM_VERS, stat_chge
from oncrpc.rpc import AnyProcedure, auth_sys
from support.ganesha import MOUNT_PORT, NFS_PORT, NLM_PORT, start_ganesha
from support.hosts import until
from support.namespace import need
from support.status_hosts import OURS, StatusHosts

pytestmark = [pytest.mark.interop, pytest.mark.slow]

ROOT = auth_sys(b"client", 0, 0)
END = 0


class GaneshaClient:
    """Locks a file of ganesha's from the other host."""

    def __init__(self, hosts: StatusHosts) -> None:
        self.hosts = hosts
        mount = self._call(MOUNT_PORT, MOUNT_V3.MOUNTPROC3_MNT, b"/srv/nfs")
        root = nfs_fh3(mount.body.fhandle)
        wanted = LOOKUP3args(diropargs3(root, b"hello.txt"))
        self.file: bytes = self._call(NFS_PORT, NFS_V3.NFSPROC3_LOOKUP, wanted).body.object.data

    def _call(self, port: int, procedure: AnyProcedure, argument: object) -> Any:
        link = sync.run(self.hosts.theirs.dial("tcp", OURS, port))
        with link:
            return sync.run(link.call(procedure, argument, auth=ROOT))

    def _lock(self, svid: int) -> nlm4_lock:
        return nlm4_lock(b"client.example", self.file, b"%d@client" % svid, svid, 0, END)

    def lock(self, svid: int) -> nlm4_stats:
        """LOCK of the whole file, as a process."""
        args = nlm4_lockargs(b"1", False, True, self._lock(svid), False, 7)
        return nlm4_stats(self._call(NLM_PORT, NLM4_VERS.NLMPROC4_LOCK, args).stat.stat)

    def test(self, svid: int) -> nlm4_stats:
        """TEST of the whole file, as a process."""
        args = nlm4_testargs(b"2", True, self._lock(svid))
        return nlm4_stats(self._call(NLM_PORT, NLM4_VERS.NLMPROC4_TEST, args).stat.stat)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[StatusHosts]:
    need("ganesha.nfsd")
    with StatusHosts() as made:
        start_ganesha(made.ours, tmp_path)
        yield made


def notify(hosts: StatusHosts, state: int) -> None:
    """The client's monitor says that it has restarted."""
    link = sync.run(hosts.theirs.dial("udp", OURS, hosts.port_of_ours()))
    with link:
        sync.run(link.call(SM_VERS.SM_NOTIFY, stat_chge(b"client.example", state)))


def test_ganesha_frees_locks_of_restarted_client(hosts: StatusHosts) -> None:
    client = GaneshaClient(hosts)
    assert client.lock(1) == nlm4_stats.NLM4_GRANTED
    assert client.test(2) == nlm4_stats.NLM4_DENIED

    notify(hosts, 9)

    until(lambda: client.test(2) == nlm4_stats.NLM4_GRANTED, "ganesha frees the lock")
