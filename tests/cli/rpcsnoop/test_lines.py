"""``oncrpc.cli.rpcsnoop.lines``: number, time and addresses, as snoop aligns them."""

from __future__ import annotations

import time

import pytest

from oncrpc.cli.rpcsnoop.lines import LineBegin
from oncrpc.snoop.messages import Party, RpcMessage

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
