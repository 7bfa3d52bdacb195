"""rpc.statd, unchanged: it registers, unregisters, and is not reached by forwarded calls."""

from __future__ import annotations

import pwd
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from oncrpc import sync
from oncrpc.errors import AuthError
from oncrpc.programs.rpcb import RPCBVERS4, rpcb_rmtcallargs, rpcb_rmtcallres
from oncrpc.programs.sm_inter import SM_VERS, mon, mon_id, my_id, stat_chge
from oncrpc.rpc import AnyProcedure, Procedure, auth_sys
from support.hosts import Host, finished, portmap, until
from support.namespace import need

pytestmark = pytest.mark.interop

STATUS = 100024
STATD = ("rpc.statd", "-F", "--no-notify", "-p", "32765", "-o", "32766", "-n", "127.0.0.1")
STATE = """
mount -t tmpfs tmpfs /var/lib/nfs
mkdir /var/lib/nfs/sm /var/lib/nfs/sm.bak
chown -R statd /var/lib/nfs
"""


@pytest.fixture
def host() -> Iterator[Host]:
    """A host with our port mapper and a private folder of statd's."""
    need("rpc.statd", "rpcinfo")
    with Host() as made:
        made.start(portmap())
        made.sh(STATE)
        yield made


def start_statd(host: Host) -> subprocess.Popen[str]:
    """Start it, and wait for its last registration."""
    statd = host.popen(STATD)
    until(lambda: len(host.registered(STATUS)) == 4, "statd registers four times")
    return statd


def test_statd_registers_four_netids_as_its_user(host: Host) -> None:
    start_statd(host)

    found = host.registered(STATUS)

    uid = str(pwd.getpwnam("statd").pw_uid).encode()
    assert {(entry.r_netid, entry.r_addr, entry.r_owner) for entry in found} == {
        (b"udp", b"0.0.0.0.127.253", uid),
        (b"tcp", b"0.0.0.0.127.253", uid),
        (b"udp6", b"::.127.253", uid),
        (b"tcp6", b"::.127.253", uid),
    }


def test_statd_is_found_and_answers(host: Host) -> None:
    start_statd(host)

    done = host.run(["rpcinfo", "-u", "127.0.0.1", "status"])

    assert done.stdout == "program 100024 version 1 ready and waiting\n"


def test_statd_unregisters_when_it_ends(host: Host) -> None:
    statd = start_statd(host)

    statd.terminate()

    finished(statd)
    assert host.registered(STATUS) == []


ME = my_id(b"127.0.0.1", 100021, 3, 16)  # statd accepts the procedure of the kernel alone
MONITOR = mon(mon_id(b"192.0.2.77", ME), bytes(16))


@pytest.fixture
def forwarder() -> Iterator[Host]:
    """A host whose port mapper forwards calls."""
    need("rpc.statd", "rpcinfo")
    with Host() as made:
        made.start(portmap("--remote-calls"))
        made.sh(STATE)
        yield made


def monitored(host: Host) -> list[str]:
    """The hosts that statd keeps in its state directory."""
    return host.run(["ls", "/var/lib/nfs/sm"]).stdout.split()


async def ask(host: Host, port: int, procedure: AnyProcedure, *arguments: Any) -> Any:
    """The result of a call over UDP to a port of the host."""
    link = await host.dial("udp", "127.0.0.1", port)
    try:
        return await link.call(procedure, *arguments, auth=auth_sys(b"host", 0, 0))
    finally:
        link.close()


def indirect(host: Host, procedure: AnyProcedure, *arguments: Any) -> rpcb_rmtcallres:
    """Let the port mapper forward a call to statd."""
    args = procedure.encode_arguments(arguments)
    asked = rpcb_rmtcallargs(STATUS, 1, procedure.number, args)
    found = sync.run(ask(host, 111, RPCBVERS4.RPCBPROC_INDIRECT, asked))
    assert isinstance(found, rpcb_rmtcallres)
    return found


@pytest.mark.parametrize(
    ("procedure", "arguments"),
    [
        (SM_VERS.SM_MON, (MONITOR,)),
        (SM_VERS.SM_UNMON, (MONITOR.mon_id,)),
        (SM_VERS.SM_UNMON_ALL, (ME,)),
        (SM_VERS.SM_SIMU_CRASH, ()),
    ],
    ids=lambda each: each.name if isinstance(each, Procedure) else "",
)
def test_forwarded_calls_do_not_reach_statd(
    forwarder: Host, procedure: AnyProcedure, arguments: tuple[Any, ...]
) -> None:
    start_statd(forwarder)
    sync.run(ask(forwarder, 32765, SM_VERS.SM_MON, MONITOR))
    assert monitored(forwarder) == ["192.0.2.77"], "statd accepts it from this host itself"

    with pytest.raises(AuthError):
        indirect(forwarder, procedure, *arguments)

    assert monitored(forwarder) == ["192.0.2.77"]


def test_forwarded_notification_reaches_statd(forwarder: Host) -> None:
    start_statd(forwarder)

    found = indirect(forwarder, SM_VERS.SM_NOTIFY, stat_chge(b"192.0.2.77", 3))

    assert found == rpcb_rmtcallres(b"127.0.0.1.127.253", b"")
