"""What a message on the wire tells of its times."""

from __future__ import annotations

import pytest

from oncrpc.snoop.messages import Party, RpcMessage

CLIENT, SERVER = Party("192.0.2.1", 700), Party("192.0.2.2", 2049)


def seen(*, began: int, time: int, call: RpcMessage | None = None) -> RpcMessage:
    return RpcMessage(
        number=1,
        time=time,
        began=began,
        source=CLIENT if call is None else SERVER,
        target=SERVER if call is None else CLIENT,
        transport="tcp",
        xid=1,
        is_call=call is None,
        body=b"",
        length=0,
        call=call,
    )


def test_transfer_is_first_to_last_byte() -> None:
    assert seen(began=5, time=12).transfer_time == 7


def test_service_begins_at_end_of_call() -> None:
    call = seen(began=5, time=12)

    assert seen(began=20, time=30, call=call).service_time == 8


def test_service_time_is_negative_if_reply_first() -> None:
    call = seen(began=5, time=12)

    assert seen(began=10, time=11, call=call).service_time == -2


def test_message_without_call_has_no_service_time() -> None:
    assert seen(began=5, time=12).service_time is None


def test_message_is_frozen() -> None:
    with pytest.raises(AttributeError):
        seen(began=5, time=12).xid = 2  # type: ignore[misc]
