"""Locks of an ``nfsd`` process: its commands, its restarts, and other servers of its programs."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from oncrpc import sync
from oncrpc.programs.nfs3 import nfs_fh3
from oncrpc.programs.nlm import NLM4_VERS, NLM_PROG, nlm4_lock, nlm4_lockargs, nlm4_stats
from oncrpc.programs.sm_inter import SM_PROG
from oncrpc.rpc import auth_sys
from support.hosts import until
from support.namespace import PYTHON, end
from support.nfs_host import NFSD, NfsHost
from support.nfs_user import NfsUser, mount

pytestmark = [pytest.mark.interop, pytest.mark.slow]

EXPORTS = "/srv/tmpfs *(rw,insecure,no_root_squash,no_subtree_check)\n"
STATE = ("--state-dir", "/srv/state")
FILE = "/srv/tmpfs/hello.txt"
GRANTED, DENIED = nlm4_stats.NLM4_GRANTED, nlm4_stats.NLM4_DENIED
GRACE = nlm4_stats.NLM4_DENIED_GRACE_PERIOD
LOCAL = f"""
import fcntl
with open({FILE!r}, "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""


@pytest.fixture
def host() -> Iterator[NfsHost]:
    """A host that exports one directory."""
    with NfsHost(EXPORTS) as made:
        until(lambda: len(made.registered(NLM_PROG)) == 12, "the lock manager is registered")
        yield made


@pytest.fixture
def handle(host: NfsHost) -> nfs_fh3:
    """The handle of the file."""
    return NfsUser(host).lookup(mount(host, "/srv/tmpfs"), "hello.txt")


def lock(host: NfsHost, handle: nfs_fh3, name: str, *, reclaim: bool = False) -> nlm4_stats:
    """The outcome of LOCK of the first 100 bytes, by a client of this name."""
    alock = nlm4_lock(name.encode(), handle.data, b"owner", 7, 0, 100)
    with sync.run(host.dial("tcp", "127.0.0.1", 2049)) as link:
        nlm = NLM4_VERS.SyncClient(NLM4_VERS.Client(link)).with_options(
            auth=auth_sys(name.encode(), 0, 0)
        )
        found: nlm4_stats = nlm.NLMPROC4_LOCK(
            nlm4_lockargs(b"", False, True, alock, reclaim, 1)
        ).stat.stat
        return found


def nfsd(host: NfsHost, *arguments: str) -> str:
    """Run a command about the server; it has to succeed."""
    done = host.run([*NFSD, *arguments, *STATE])
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def is_locked(host: NfsHost) -> bool:
    """Whether a local process cannot lock the file."""
    return host.run([PYTHON, "-c", LOCAL]).returncode != 0


def test_admin_sees_and_releases_locks(host: NfsHost, handle: nfs_fh3) -> None:
    assert lock(host, handle, "one") is GRANTED
    assert lock(host, handle, "two") is DENIED

    assert f"{FILE}  one (127.0.0.1)" in nfsd(host, "locks")
    assert is_locked(host)
    said = nfsd(host, "locks", "--free", "one", "--yes")
    assert said == "released 1 lock of one (127.0.0.1)\n"
    assert not is_locked(host)
    assert lock(host, handle, "two") is GRANTED


def test_restart_in_place_keeps_local_locks(host: NfsHost, handle: nfs_fh3) -> None:
    assert lock(host, handle, "one") is GRANTED
    before = json.loads(nfsd(host, "locks", "--json"))

    nfsd(host, "reload", "--exec")

    after = json.loads(nfsd(host, "locks", "--json"))
    assert (after["held"], after["grace"]) == (before["held"], None)
    assert is_locked(host)
    assert lock(host, handle, "two") is DENIED


def test_killed_server_awaits_its_clients(host: NfsHost, handle: nfs_fh3) -> None:
    assert lock(host, handle, "one") is GRANTED
    host.kill_nfsd()
    host.nfsd = host.start_nfsd()

    grace = json.loads(nfsd(host, "locks", "--json"))["grace"]
    assert grace["awaited"] == [{"host": "127.0.0.1", "name": "one"}]
    assert lock(host, handle, "two") is GRACE
    assert lock(host, handle, "one", reclaim=True) is GRANTED
    assert lock(host, handle, "two") is DENIED
    assert json.loads(nfsd(host, "locks", "--json"))["grace"] is None


def test_other_status_monitor_is_named_and_left(host: NfsHost) -> None:
    other = "/srv/other"
    host.nfsd.terminate()
    host.nfsd.wait()
    end(host.nfsd)
    host.sh(f"mkdir -m 700 {other}")
    first = host.popen([*NFSD, "-f", "--only", "status", "--state-dir", other])
    until(lambda: len(host.registered(SM_PROG)) == 4, "the other monitor is registered")
    place = host.registered(SM_PROG)[0].r_addr.decode()

    host.nfsd = host.start_nfsd()

    def fault() -> str:
        mapper = json.loads(nfsd(host, "status", "--json"))["mapper"]
        return mapper["fault"] or ""

    until(lambda: "status is registered at" in fault(), "the other one is named")
    assert "'systemctl disable --now rpc-statd' stops rpc.statd" in fault()
    assert host.registered(SM_PROG)[0].r_addr.decode() == place
    assert len(host.registered(NLM_PROG)) == 12
    first.terminate()
    first.wait()
    until(lambda: fault() == "", "the server has registered")
    assert host.registered(SM_PROG)[0].r_addr.decode().endswith(".8.1")
