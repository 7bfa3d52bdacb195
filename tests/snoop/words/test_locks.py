"""Lines of the lock manager and of the status monitor."""

from __future__ import annotations

from oncrpc.programs import nlm, sm_inter
from oncrpc.programs.nlm import NLM4_VERS, NLM_VERS, nlm4_stats, nlm_stats
from oncrpc.programs.sm_inter import SM_VERS
from support.wire_messages import call_line, reply_line

COOKIE, HANDLE = bytes.fromhex("00000042"), bytes.fromhex("12340000")
LOCK = nlm.nlm4_lock(b"client", HANDLE, b"owner", 99, 2**33, 10)
LOCK_1 = nlm.nlm_lock(b"client", HANDLE, b"owner", 99, 5, 10)


def test_lock_shows_file_process_and_range() -> None:
    args = nlm.nlm4_lockargs(COOKIE, True, True, LOCK, False, 3)

    line = call_line(NLM4_VERS.NLMPROC4_LOCK, args)

    assert line == "NLM C LOCK4 OH=0042 FH=1234 PID=99 Region=8589934592:10"


def test_lock_of_version_1_has_short_ranges() -> None:
    args = nlm.nlm_testargs(COOKIE, False, LOCK_1)

    line = call_line(NLM_VERS.NLM_TEST_MSG, args)

    assert line == "NLM C TEST MSG1 OH=0042 FH=1234 PID=99 Region=5:10"


def test_outcomes_are_in_words() -> None:
    denied = nlm.nlm4_res(COOKIE, nlm.nlm4_stat(nlm4_stats.NLM4_DENIED_GRACE_PERIOD))

    line = reply_line(NLM4_VERS.NLMPROC4_LOCK, denied)
    assert line == "NLM R LOCK4 OH=0042 denied (grace period)"
    granted = nlm.nlm_res(COOKIE, nlm.nlm_stat(nlm_stats.nlm_granted))
    line = call_line(NLM_VERS.NLM_GRANTED_RES, granted)
    assert line == "NLM C GRANTED RES1 OH=0042 granted"


def test_share_shows_mode_and_access() -> None:
    share = nlm.nlm4_share(b"client", HANDLE, b"owner", nlm.fsh_mode.fsm_DW, nlm.fsh_access.fsa_R)

    line = call_line(NLM4_VERS.NLMPROC4_SHARE, nlm.nlm4_shareargs(COOKIE, share, False))
    assert line == "NLM C SHARE4 OH=0042 FH=1234 Mode=2 Access=1"
    answer = nlm.nlm4_shareres(COOKIE, nlm4_stats.NLM4_GRANTED, 5)
    assert reply_line(NLM4_VERS.NLMPROC4_SHARE, answer) == "NLM R SHARE4 OH=0042 granted 5"


def test_freeall_shows_host_and_state() -> None:
    line = call_line(NLM4_VERS.NLMPROC4_FREE_ALL, nlm.nlm4_notify(b"client", 7))

    assert line == "NLM C FREEALL4 client State=7"


def test_monitor_shows_host_and_watcher() -> None:
    watcher = sm_inter.my_id(b"server", 100021, 3, 16)
    mon = sm_inter.mon(sm_inter.mon_id(b"client", watcher), b"\0" * 16)

    line = call_line(SM_VERS.SM_MON, mon)
    assert line == "STATMON C MON client by server prog=100021 vers=3 proc=16"
    answer = sm_inter.sm_stat_res(sm_inter.res.stat_succ, 5)
    assert reply_line(SM_VERS.SM_MON, answer) == "STATMON R MON OK State=5"


def test_notice_shows_host_and_state() -> None:
    line = call_line(SM_VERS.SM_NOTIFY, sm_inter.stat_chge(b"client", 9))

    assert line == "STATMON C NOTIFY client State=9"
