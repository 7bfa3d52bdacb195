"""``oncrpc.cli.rpcsnoop.top_figures``: what was counted since the last refresh."""

from __future__ import annotations

from oncrpc.cli.rpcsnoop.top_figures import TopCounter, errors_of
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.testing import ManualClock
from support.wire_messages import seen_bytes, seen_reply

GETATTR = seen_bytes(NFS_V3.NFSPROC3_GETATTR, b"")
NULL = seen_bytes(NFS_V3.NFSPROC3_NULL, b"")
STALE = seen_reply(GETATTR, 0, 0, 0, 0, 70)


def test_figures_are_those_since_the_last_time() -> None:
    clock = ManualClock()
    counter = TopCounter("eth0", KnownPrograms(), clock=clock)
    counter.add([NULL, GETATTR, STALE])
    counter.add([GETATTR])
    clock.now += 2.0

    first = counter.take(0)
    counter.add([STALE])
    clock.now += 1.0
    second = counter.take(5)

    assert (first.seconds, first.calls, first.dropped) == (2.0, 3, 0)
    assert [names for names, _ in first.procedures] == [
        ("NFS", "3", "GETATTR"), ("NFS", "3", "NULL"),
    ]  # fmt: skip
    assert [(names, figures.calls) for names, figures in first.clients] == [(("client",), 3)]
    assert errors_of(first.procedures[0][1]) == 1
    assert (second.seconds, second.calls, second.dropped) == (1.0, 3, 5)
    assert second.procedures[0][1].outcomes == {"NFS3ERR_STALE": 1}
