"""``oncrpc.cli.rpcsnoop.lines``: number, time and addresses, as snoop aligns them."""

from __future__ import annotations

import time

import pytest

from oncrpc.cli.rpcsnoop.lines import LineBegin, user_mark
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.rpc.prot import auth_flavor, opaque_auth
from oncrpc.snoop.messages import Party, RpcMessage
from support.wire_messages import seen_bytes, seen_reply
from support.words import words

START = 1_700_000_000_123_456_789


def message(after: int, *, number: int = 1, host: str = "192.0.2.1") -> RpcMessage:
    return RpcMessage(
        number=number, time=START + after, began=0, source=Party(host, 700),
        target=Party("192.0.2.22", 2049), transport="tcp", xid=1, is_call=True, body=b"",
        length=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("form", "times"),
    [
        ("d", ["  0.00000", "  1.50000", "  0.00001", "242.00000", " -1.00000"]),
        ("r", ["  0.00000", "  1.50000", "  1.50001", "243.50001", "242.50001"]),
    ],
)
def test_times_are_relative(form: str, times: list[str]) -> None:
    begin = LineBegin(form)
    moments = (0, 1_500_000_000, 1_500_010_000, 243_500_010_000, 242_500_010_000)

    assert [begin.of(message(moment))[4:13] for moment in moments] == times


def test_absolute_time_is_that_of_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    assert LineBegin("a").of(message(0))[4:18] == "22:13:20.12345"


def test_columns_are_those_of_snoop() -> None:
    begin = LineBegin("d")

    assert begin.of(message(0)) == "  1   0.00000    192.0.2.1 -> 192.0.2.22   "
    assert begin.of(message(0, number=1234, host="2001:db8:1:2::3")) == (
        "1234   0.00000 2001:db8:1:2::3 -> 192.0.2.22   "
    )


def test_columns_of_both_times_may_be_added() -> None:
    begin = LineBegin("r", ["service", "transfer"])
    call = seen_bytes(NFS_V3.NFSPROC3_GETATTR, b"")

    assert begin.of(call) == "  1   0.00000             0.00000       client -> server       "
    assert begin.of(seen_reply(call, 0, 0, 0, 0)) == (
        "  2   0.50000   0.50000                 server -> client       "
    )


def test_user_stands_at_the_end_of_calls() -> None:
    credential = opaque_auth(auth_flavor.AUTH_SYS, words(0, 4, b"host", 1000, 100, 0))
    call = seen_bytes(NFS_V3.NFSPROC3_GETATTR, b"", cred=credential)

    assert user_mark(call) == " uid=1000"
    assert user_mark(seen_reply(call, 0, 0, 0, 0)) == ""
    assert user_mark(seen_bytes(NFS_V3.NFSPROC3_GETATTR, b"")) == ""


def test_names_stand_for_addresses() -> None:
    begin = LineBegin("d", name={"192.0.2.1": "rome", "192.0.2.22": "zeus"}.__getitem__)

    assert begin.of(message(0)) == "  1   0.00000         rome -> zeus         "
