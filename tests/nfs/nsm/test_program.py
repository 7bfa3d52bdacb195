"""``oncrpc.nfs.nsm.program``: the bytes of every procedure, and who may call it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from oncrpc.nfs.locks.peers import Peer
from oncrpc.nfs.locks.terms import LockClient
from oncrpc.programs.sm_inter import (
    SM_VERS,
    mon_id,
    my_id,
    res,
    sm_name,
    sm_stat,
    sm_stat_res,
    stat_chge,
)
from oncrpc.rpc import Caller
from support.status_calls import (
    FORGED,
    KERNEL,
    LOCKD,
    PRIV,
    SOCKET,
    USER,
    USER_SOCKET,
    StatusSite,
    monitored,
    remote,
)
from support.words import words

CLIENT = b"192.0.2.1"
ME = words(4, b"host", 100021, 3, 16)  # my_name, my_prog, my_vers, my_proc
STATE = 1001
LOCAL = [KERNEL, SOCKET]
STRANGERS = [
    (USER, "the caller's port is not reserved"),
    (USER_SOCKET, "the caller is not root"),
    (FORGED, "the caller is another host"),
    (remote("192.0.2.1"), "the caller is another host"),
]


def header(proc: int) -> bytes:
    return words(
        0x11223344, 0, 2,       # xid, CALL, rpcvers
        100024, 1, proc,        # SM_PROG, version 1
        0, 0, 0, 0,             # cred AUTH_NONE, verf AUTH_NONE
    )  # fmt: skip


SUCCESS = words(0x11223344, 1, 0, 0, 0, 0)


def reply(site: StatusSite, proc: int, *arguments: int | bytes) -> bytes | None:
    return asyncio.run(site.reply(KERNEL, header(proc) + words(*arguments)))


def test_bytes_of_null() -> None:
    assert reply(StatusSite(), 0) == SUCCESS


def test_bytes_of_stat() -> None:
    found = reply(StatusSite(), 1, 9, CLIENT, b"\0\0\0")

    assert found == SUCCESS + words(0, STATE)  # stat_succ, state


def test_bytes_of_mon() -> None:
    site = StatusSite()

    found = reply(site, 2, 9, CLIENT, b"\0\0\0", ME, PRIV)

    assert found == SUCCESS + words(0, STATE)  # stat_succ, state
    (kept,) = site.monitor.kept.monitors.values()
    assert kept[:6] == (CLIENT, b"host", 100021, 3, 16, PRIV)


def test_bytes_of_a_refused_mon() -> None:
    found = reply(StatusSite(), 2, 0, ME, PRIV)

    assert found == SUCCESS + words(1, STATE)  # stat_fail, state


def test_bytes_of_unmon() -> None:
    site = StatusSite()
    reply(site, 2, 9, CLIENT, b"\0\0\0", ME, PRIV)

    found = reply(site, 3, 9, CLIENT, b"\0\0\0", ME)

    assert found == SUCCESS + words(STATE)
    assert not site.monitor.kept.monitors


def test_bytes_of_unmon_all() -> None:
    site = StatusSite()
    reply(site, 2, 9, CLIENT, b"\0\0\0", ME, PRIV)

    found = reply(site, 4, ME)

    assert found == SUCCESS + words(STATE)
    assert not site.monitor.kept.monitors


def test_bytes_of_simu_crash() -> None:
    site = StatusSite()

    assert reply(site, 5) == SUCCESS
    assert site.monitor.state == STATE + 2


def test_bytes_of_notify() -> None:
    site = StatusSite()
    reply(site, 2, 9, b"127.0.0.1", b"\0\0\0", ME, PRIV)

    found = reply(site, 6, 9, CLIENT, b"\0\0\0", 7)

    assert found == SUCCESS
    (kept,) = site.monitor.kept.monitors.values()
    assert kept.state == 7


@pytest.mark.parametrize("caller", LOCAL, ids=str)
def test_local_root_may_watch_a_host(caller: Caller) -> None:
    found = StatusSite().call(caller, SM_VERS.SM_MON, monitored(CLIENT))

    assert found == sm_stat_res(res.stat_succ, STATE)


@pytest.mark.parametrize(("caller", "reason"), STRANGERS, ids=str)
def test_others_may_not_watch_a_host(
    caller: Caller, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    site = StatusSite()

    found = site.call(caller, SM_VERS.SM_MON, monitored(CLIENT))

    assert found == sm_stat_res(res.stat_fail, STATE)
    assert not site.monitor.kept.monitors
    assert f"refused SM_MON of 192.0.2.1 from {caller}: {reason}" in caplog.text


@pytest.mark.parametrize(("caller", "reason"), STRANGERS, ids=str)
@pytest.mark.parametrize(
    ("procedure", "arguments"),
    [
        (SM_VERS.SM_UNMON, (mon_id(CLIENT, LOCKD),)),
        (SM_VERS.SM_UNMON_ALL, (LOCKD,)),
        (SM_VERS.SM_SIMU_CRASH, ()),
    ],
)
def test_others_may_not_change_what_is_watched(
    procedure: Any, arguments: Any, caller: Caller, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    site = StatusSite()
    site.call(KERNEL, SM_VERS.SM_MON, monitored(CLIENT))

    found = site.call(caller, procedure, *arguments)

    assert found in (None, sm_stat(STATE))
    assert len(site.monitor.kept.monitors) == 1
    assert site.monitor.state == STATE
    assert reason in caplog.text


@pytest.mark.parametrize(
    "who",
    [
        my_id(b"host", 100003, 3, 16),
        my_id(b"host", 100021, 4, 23),
        my_id(b"host", 100021, 3, 0),
    ],
)
def test_only_the_lock_manager_is_called_back(who: my_id, caplog: pytest.LogCaptureFixture) -> None:
    found = StatusSite().call(KERNEL, SM_VERS.SM_MON, monitored(CLIENT, who))

    assert found.res_stat == res.stat_fail
    assert "is not one of the lock manager" in caplog.text


@pytest.mark.parametrize("name", [b"", b"../../etc/passwd", b"/tmp/x", b".x", b"a\nb", b"x" * 300])
def test_name_of_no_host_is_refused(name: bytes, caplog: pytest.LogCaptureFixture) -> None:
    site = StatusSite()

    assert site.call(KERNEL, SM_VERS.SM_MON, monitored(name)).res_stat == res.stat_fail
    assert site.call(KERNEL, SM_VERS.SM_STAT, sm_name(name)).res_stat == res.stat_fail
    assert "no host has this name" in caplog.text
    assert caplog.text.count("\n") == 1


def test_full_list_refuses_one_more() -> None:
    site = StatusSite(most=2)  # the state number, and one host
    site.call(KERNEL, SM_VERS.SM_MON, monitored(CLIENT))

    assert site.call(KERNEL, SM_VERS.SM_MON, monitored(b"other")).res_stat == res.stat_fail
    assert site.call(KERNEL, SM_VERS.SM_STAT, sm_name(b"other")).res_stat == res.stat_fail
    assert site.call(KERNEL, SM_VERS.SM_MON, monitored(CLIENT)).res_stat == res.stat_succ


def test_unmon_of_another_program_removes_nothing() -> None:
    site = StatusSite()
    site.call(KERNEL, SM_VERS.SM_MON, monitored(CLIENT))
    other = my_id(b"host", 100021, 4, 16)

    site.call(KERNEL, SM_VERS.SM_UNMON, mon_id(CLIENT, other))
    site.call(KERNEL, SM_VERS.SM_UNMON_ALL, other)

    assert len(site.monitor.kept.monitors) == 1


def test_log_line_has_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        StatusSite().call(USER, SM_VERS.SM_MON, monitored(b"a\nb\xff"))

    assert r"SM_MON of a\nb\xff from" in caplog.text


def test_negative_state_of_a_notice_counts() -> None:
    site = StatusSite()
    client = LockClient("192.0.2.1", b"client")
    asyncio.run(site.monitor.watch(Peer(client, "192.0.2.9"), 0x7FFFFFFF))

    site.call(remote("192.0.2.1"), SM_VERS.SM_NOTIFY, stat_chge(b"client", -0x7FFFFFFF))

    assert site.told == [(client, 0x80000001)]
