"""Changes of interfaces and addresses, as the kernel tells of them."""

from __future__ import annotations

import errno
import logging
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from oncrpc.host import netlink
from oncrpc.host.netlink import InterfaceWatch
from support.loops import run, settle, until


class Kernel:
    """A pair of sockets in place of the kernel's; what is sent to it has changed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, bind: OSError | None = None) -> None:
        self.ours, self.kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.refuses = bind
        monkeypatch.setattr(netlink, "MOMENT", 0.001)
        module = SimpleNamespace(socket=lambda *_: self, AF_NETLINK=16, SOCK_RAW=3, NETLINK_ROUTE=0)
        monkeypatch.setattr(netlink, "socket", module)

    def bind(self, address: object) -> None:
        if self.refuses is not None:
            raise self.refuses

    def recv(self, size: int) -> bytes:
        data = self.ours.recv(size)
        if data == b"overrun":
            raise OSError(errno.ENOBUFS, "No buffer space available")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ours, name)

    def close(self) -> None:
        self.ours.close()
        self.kernel.close()


@pytest.mark.parametrize("message", [b"RTM_NEWADDR", b"overrun"])
def test_simultaneous_changes_are_reported_once(
    monkeypatch: pytest.MonkeyPatch, message: bytes
) -> None:
    kernel, told = Kernel(monkeypatch), list[None]()

    async def scenario() -> None:
        heard = InterfaceWatch(lambda: told.append(None))
        heard.start()
        for _ in range(3):
            kernel.kernel.send(message)
        await until(lambda: told)
        await settle()
        assert len(told) == 1
        kernel.kernel.send(message)
        await until(lambda: len(told) == 2)
        heard.close()

    run(scenario())


def test_closed_listener_reports_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, told = Kernel(monkeypatch), list[None]()

    async def scenario() -> None:
        heard = InterfaceWatch(lambda: told.append(None))
        heard.start()
        kernel.kernel.send(b"RTM_NEWLINK")
        await until(lambda: heard.pending)
        heard.close()
        assert not heard.pending
        heard.close()
        assert told == []

    run(scenario())


def test_missing_netlink_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    Kernel(monkeypatch, bind=OSError(errno.EPERM, "Operation not permitted"))

    async def scenario() -> None:
        heard = InterfaceWatch(lambda: None)
        heard.start()
        heard.close()

    run(scenario())
    assert "changes of interfaces are not noticed: Operation not permitted" in caplog.text


def test_a_real_kernel_lets_anybody_listen() -> None:
    async def scenario() -> None:
        heard = InterfaceWatch(lambda: None)
        heard.start()
        assert heard.listening
        heard.close()
        assert not heard.listening

    run(scenario())
