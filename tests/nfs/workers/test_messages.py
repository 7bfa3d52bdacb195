"""Messages as bytes, and connections as messages."""

from __future__ import annotations

import pytest

from oncrpc.aio.connections import Carried
from oncrpc.nfs.workers.messages import (
    Answered,
    Forwarded,
    Freeze,
    Moved,
    WorkerMessage,
    WorkerReport,
    encode,
    from_server,
    from_worker,
)

CARRIED = Carried(7, "tcp6", b"unread", b"unsent", 1.5, 2.5)


@pytest.mark.parametrize("message", [Answered(3, None), Freeze(), Moved("tcp"), Moved.of(CARRIED)])
def test_worker_understands_the_server(message: WorkerMessage) -> None:
    assert from_server(encode(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        Forwarded(1, "tcp", ("192.0.2.1", 700, 0), ("192.0.2.2", 2049, 0), False, b"call"),
        WorkerReport(counts=[((100003, 3, 1), 5)], failures=[((100003, 3, 1), "system_err", 1)]),
    ],
)
def test_server_understands_a_worker(message: WorkerMessage) -> None:
    assert from_worker(encode(message)) == message


def test_state_of_a_connection_survives_the_message() -> None:
    assert Moved.of(CARRIED).carried(CARRIED.descriptor) == CARRIED


def test_new_connection_begins_without_bytes() -> None:
    found = Moved("tcp").carried(9)

    assert (found.descriptor, found.netid, found.unread, found.unsent) == (9, "tcp", b"", b"")
