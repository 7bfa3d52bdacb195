"""Our status monitor and rpc.statd with sm-notify: each tells the other that its host restarted."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.programs.sm_inter import SM_VERS, mon_id, res, stat_chge, status
from oncrpc.rpc import AUTH_NONE
from oncrpc.rpc.calls import call_header
from support.hosts import until
from support.status_hosts import (
    LOCKD,
    OURS,
    PRIV,
    SM_NOTIFY,
    STRANGER,
    THEIRS,
    StatusHosts,
    ask,
    watch,
)

pytestmark = pytest.mark.interop

STATD_PORT = 32765
RECORD = f"0100007f 000186b5 00000003 00000010 {PRIV.hex()} {OURS} theirs.example\n"


@pytest.fixture
def hosts() -> Iterator[StatusHosts]:
    with StatusHosts() as made:
        yield made


def watch_each_other(hosts: StatusHosts) -> None:
    """Both lock managers have the other host watched."""
    found = ask(hosts.ours, hosts.port_of_ours(), SM_VERS.SM_MON, watch(THEIRS))
    assert found.res_stat == res.stat_succ
    found = ask(hosts.theirs, STATD_PORT, SM_VERS.SM_MON, watch(OURS))
    assert found.res_stat == res.stat_succ


def notify_ours(hosts: StatusHosts) -> int:
    """Have sm-notify tell us of a restart; returns the state that it told."""
    Path(hosts.theirs.path(f"/var/lib/nfs/sm/{OURS}")).write_text(RECORD)
    hosts.theirs.run(SM_NOTIFY, timeout=30)
    return int.from_bytes(Path(hosts.theirs.path("/var/lib/nfs/state")).read_bytes(), "little")


def test_we_believe_sm_notify(hosts: StatusHosts) -> None:
    watch_each_other(hosts)

    state = notify_ours(hosts)

    until(lambda: bool(hosts.our_locks.told), "our lock manager is told")
    assert hosts.our_locks.told == [status(THEIRS.encode(), state, PRIV)]
    assert not list(Path(hosts.theirs.path("/var/lib/nfs/sm.bak")).iterdir()), "it was answered"


def test_statd_believes_our_notice(hosts: StatusHosts) -> None:
    watch_each_other(hosts)
    former = ask(hosts.ours, hosts.port_of_ours(), SM_VERS.SM_UNMON, mon_id(b"other", LOCKD)).state

    ask(hosts.ours, hosts.port_of_ours(), SM_VERS.SM_SIMU_CRASH)

    until(lambda: bool(hosts.their_locks.told), "their lock manager is told")
    assert hosts.their_locks.told[0] == status(OURS.encode(), former + 2, PRIV)


def test_watched_hosts_survive_a_kill(hosts: StatusHosts) -> None:
    watch_each_other(hosts)

    hosts.kill_ours()
    hosts.start_ours()
    state = notify_ours(hosts)

    until(lambda: bool(hosts.our_locks.told), "our lock manager is told")
    assert hosts.our_locks.told == [status(THEIRS.encode(), state, PRIV)]


def test_notice_waits_for_a_host_that_is_down(hosts: StatusHosts) -> None:
    watch_each_other(hosts)
    hosts.theirs.sh("ip link set eth0 down")
    ask(hosts.ours, hosts.port_of_ours(), SM_VERS.SM_SIMU_CRASH)
    hosts.kill_ours()
    hosts.start_ours()

    hosts.theirs.sh("ip link set eth0 up")

    until(lambda: bool(hosts.their_locks.told), "their lock manager is told")


def test_spoofed_notice_is_refused_and_logged(hosts: StatusHosts) -> None:
    watch_each_other(hosts)
    port = hosts.port_of_ours()
    head = call_header(1, (100024, 1, 6), cred=AUTH_NONE)
    call = head + SM_VERS.SM_NOTIFY.encode_arguments((stat_chge(THEIRS.encode(), 0x7FFFFFFF),))

    with hosts.theirs.network():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.bind((STRANGER, 700))
        sock.settimeout(10)
        sock.sendto(call, (OURS, port))
        sock.recv(9000)

    assert hosts.logged(f"refused SM_NOTIFY from {STRANGER} for {THEIRS}")
    state = notify_ours(hosts)
    until(lambda: bool(hosts.our_locks.told), "our lock manager is told")
    assert hosts.our_locks.told == [status(THEIRS.encode(), state, PRIV)]


def test_stranger_cannot_have_a_host_watched(hosts: StatusHosts) -> None:
    with hosts.theirs.network():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    call = call_header(1, (100024, 1, 2), cred=AUTH_NONE) + SM_VERS.SM_MON.encode_arguments(
        (watch(STRANGER),)
    )
    with sock:
        sock.bind((THEIRS, 701))
        sock.settimeout(10)
        sock.sendto(call, (OURS, hosts.port_of_ours()))
        reply = sock.recv(9000)

    assert int.from_bytes(reply[24:28], "big") == res.stat_fail
    assert hosts.logged(f"refused SM_MON of {STRANGER} from {THEIRS} port 701")
