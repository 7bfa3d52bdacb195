"""GETSTAT's counters: what they count, and that they are bounded."""

from __future__ import annotations

from oncrpc.portmap.getstat import MAX_COUNT, MAX_LISTED, Statistics, Tally
from oncrpc.programs.rpcb import rpcb_stat_byvers, rpcbs_addrlist, rpcbs_rmtcalllist
from oncrpc.rpc.reply_cache import ReplyCache
from oncrpc.xdr import codec


class Still:
    """A subject that does not change."""

    generation = 0


def test_calls_are_counted_by_version_and_procedure() -> None:
    statistics = Statistics(ReplyCache(Still()))

    statistics.calls_of(2, 3).again()
    statistics.calls_of(4, 12).again()
    statistics.calls_of(4, 12).again()

    version_2, version_3, version_4 = statistics.report()
    assert version_2.info == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert version_3.info == [0] * 13
    assert version_4.info[12] == 2


def test_successful_sets_and_unsets_are_counted() -> None:
    statistics = Statistics(ReplyCache(Still()))

    for success in (True, False, True):
        statistics.was_set(3, success=success)
    statistics.was_unset(3, success=True)

    assert (statistics.report()[1].setinfo, statistics.report()[1].unsetinfo) == (2, 1)


def test_lookups_are_listed_newest_first() -> None:
    statistics = Statistics(ReplyCache(Still()))

    statistics.lookups_of(3, (100003, 3, b"udp"), success=True).again()
    statistics.lookups_of(3, (100005, 1, b"tcp"), success=False).again()
    statistics.lookups_of(3, (100003, 3, b"udp"), success=False).again()

    assert statistics.report()[1].addrinfo == [
        rpcbs_addrlist(100005, 1, 0, 1, b"tcp"),
        rpcbs_addrlist(100003, 3, 1, 1, b"udp"),
    ]


def test_forwards_are_listed_direct_and_indirect() -> None:
    statistics = Statistics(ReplyCache(Still()))

    statistics.forwarded(4, (1, 2, 3), b"udp", indirect=True, success=True)
    statistics.forwarded(4, (1, 2, 3), b"udp", indirect=False, success=False)

    assert statistics.report()[2].rmtinfo == [
        rpcbs_rmtcalllist(1, 2, 3, 0, 1, 0, b"udp"),
        rpcbs_rmtcalllist(1, 2, 3, 1, 0, 1, b"udp"),
    ]


def test_the_oldest_program_makes_room() -> None:
    tally = Tally[int]()

    for number in range(MAX_LISTED + 1):
        tally.add(number, 1, success=True)

    listed = [number for number, _ in tally.items()]
    assert listed == list(range(MAX_LISTED, 0, -1))


def test_a_cached_reply_lists_its_program_again() -> None:
    statistics = Statistics(ReplyCache(Still()))
    counter = statistics.lookups_of(4, (1, 1, b"udp"), success=True)
    counter.again()
    for number in range(MAX_LISTED):
        statistics.lookups_of(4, (100 + number, 1, b"udp"), success=True).again()

    counter.again(3)

    listed = statistics.report()[2].addrinfo
    assert (len(listed), listed[0]) == (MAX_LISTED, rpcbs_addrlist(1, 1, 3, 0, b"udp"))


def test_counters_stop_at_the_int_maximum() -> None:
    statistics = Statistics(ReplyCache(Still()))
    statistics.calls_of(2, 0).again(MAX_COUNT + 1)
    statistics.was_set(2, success=True, times=MAX_COUNT + 1)
    statistics.was_unset(2, success=True, times=MAX_COUNT + 1)

    report = statistics.report()
    assert codec(rpcb_stat_byvers).decode(codec(rpcb_stat_byvers).encode(report)) == report
