"""Notifications to the service manager."""

from __future__ import annotations

import array
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.daemon.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    abstract = f"\0oncrpc-test-notify-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify") if request.param == "path" else abstract)
        sock.setblocking(False)
        yield sock


def notifier(manager: socket.socket) -> Notifier:
    name = manager.getsockname()
    place = name if isinstance(name, str) else "@" + name[1:].decode()
    return Notifier({"NOTIFY_SOCKET": place})


def told(manager: socket.socket) -> dict[str, str]:
    """The fields of the next message."""
    return dict(line.split("=", 1) for line in manager.recv(1000).decode().splitlines())


def test_ready_notification_has_a_status(manager: socket.socket) -> None:
    notifier(manager).ready("serving")

    assert told(manager) == {"READY": "1", "STATUS": "serving"}


def test_reload_notification_has_the_time(manager: socket.socket) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

    notifier(manager).reloading("reading")

    fields = told(manager)
    assert (fields["RELOADING"], fields["STATUS"]) == ("1", "reading")
    assert before <= int(fields["MONOTONIC_USEC"]) <= before + 10**7


def test_end_is_notified(manager: socket.socket) -> None:
    notifier(manager).stopping()

    assert told(manager)["STOPPING"] == "1"


def test_a_socket_is_handed_over_with_its_name(manager: socket.socket) -> None:
    with socket.socket() as sock:
        notifier(manager).store(sock, "portmap-tcp")
        message, ancillary, _, _ = manager.recvmsg(1000, socket.CMSG_SPACE(4))
        ((_, _, data),) = ancillary
        (received,) = array.array("i", data[:4])
        with socket.socket(fileno=received) as copy:
            assert os.path.sameopenfile(copy.fileno(), sock.fileno())

    assert message == b"FDSTORE=1\nFDNAME=portmap-tcp\nFDPOLL=0"


def test_without_a_manager_nothing_is_sent() -> None:
    assert not Notifier({})
    Notifier({}).ready("serving")


def test_missing_manager_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gone = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})

    gone.ready("serving")

    assert gone
    assert "cannot notify the service manager: No such file or directory" in caplog.text
