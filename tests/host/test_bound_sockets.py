"""What is bound on this host is read, from the kernel's list or from files, in slices."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from oncrpc.host import bound_sockets as bound
from oncrpc.host import sockdiag
from oncrpc.host.bound_sockets import ANY, Bound, Reader, Slices
from oncrpc.host.sockdiag import BoundSocket
from support.loops import run

LOCALHOST = socket.inet_aton("127.0.0.1")
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue\n"
LINE = "   0: {}:{:04X} 00000000:0000 {} 00000000:00000000\n"
READ_AS_NOBODY = """
import asyncio, os, socket
from oncrpc.host.bound_sockets import Reader
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
reader = Reader()
reader.prepare()
from_kernel = asyncio.run(reader(["tcp", "local"]))
reader._from_file.update(("tcp", "tcp6"))
from_files = asyncio.run(reader(["tcp", "local"]))
assert {place} in from_kernel.places["tcp"] and {place} in from_files.places["tcp"]
assert {path!r} in from_kernel.paths
"""


def refuse_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel without sock_diag."""

    def listed(*_: int) -> list[list[BoundSocket]]:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(sockdiag, "listed", listed)


def reading(files: Path, *netids: str) -> Bound:
    reader = Reader(str(files))
    reader.prepare()
    return run(reader(netids))


def place(port: int, address: bytes = b"") -> bytes:
    return port.to_bytes(2, "big") + address


def native(host: str) -> str:
    """An address of IPv4 as the files have it."""
    return f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}"


@pytest.mark.parametrize("from_files", [False, True])
def test_bound_sockets_are_found(monkeypatch: pytest.MonkeyPatch, from_files: bool) -> None:
    if from_files:
        refuse_lists(monkeypatch)
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as dual,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("127.0.0.1", 0))
        found = reading(Path("/proc/self/net"), "tcp", "udp")
        ports = [sock.getsockname()[1] for sock in (tcp, dual, udp)]

    assert {place(ports[0]), place(ports[0], LOCALHOST)} <= found.places["tcp"]
    assert {place(ports[1]), place(ports[1], ANY)} <= found.places["tcp"]
    assert place(ports[1], bytes(16)) in found.places["tcp6"]
    assert place(ports[2], LOCALHOST) in found.places["udp"]


@pytest.mark.parametrize("from_files", [False, True])
def test_port_is_free_after_its_server(monkeypatch: pytest.MonkeyPatch, from_files: bool) -> None:
    if from_files:
        refuse_lists(monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert place(port) not in reading(Path("/proc/self/net"), "tcp").places["tcp"]


def test_only_requested_transports_are_read() -> None:
    assert reading(Path("/proc/self/net"), "udp6", "sctp").places.keys() == {"udp6"}


def test_local_sockets_are_read_on_demand(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        found = reading(Path("/proc/self/net"), "local")

    assert found.paths is not None
    assert path.encode() in found.paths
    assert reading(Path("/proc/self/net"), "tcp").paths is None


def test_host_without_ipv6_has_no_ipv6_sockets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refuse_lists(monkeypatch)
    (tmp_path / "tcp").write_text(HEAD + LINE.format(native("127.0.0.1"), 111, "0A"))

    found = reading(tmp_path, "tcp", "tcp6")

    assert found.places == {"tcp": {place(111), place(111, LOCALHOST)}, "tcp6": set()}


def test_unreadable_table_is_missing_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refuse_lists(monkeypatch)
    (tmp_path / "tcp").write_text(HEAD)
    (tmp_path / "tcp6").mkdir()
    reader = Reader(str(tmp_path))
    reader.prepare()

    with caplog.at_level(logging.INFO, "oncrpc"):
        run(reader(["tcp", "local"]))
        found = run(reader(["tcp", "local"]))

    assert found == Bound()
    assert [record.getMessage() for record in caplog.records] == [
        "cannot list the tcp6 sockets of this host: is a directory",
        "cannot list the unix sockets of this host: no such file or directory",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
@pytest.mark.slow
def test_any_user_may_read_it(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as local:
        local.bind(path)
        local.listen()
        script = READ_AS_NOBODY.format(place=place(tcp.getsockname()[1]), path=path.encode())
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )

    assert done.returncode == 0, done.stderr


def test_long_list_does_not_block_the_loop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bound, "SLICE", 0.0)
    monkeypatch.setattr(bound, "PIECE", 4096)
    refuse_lists(monkeypatch)
    lines = [LINE.format(native("127.0.0.1"), port, "0A") for port in range(2000)]
    (tmp_path / "tcp").write_text(HEAD + "".join(lines))
    turns = 0

    async def scenario() -> Bound:
        reader = Reader(str(tmp_path))
        reader.prepare()
        task = asyncio.ensure_future(reader(["tcp"]))
        nonlocal turns
        while not task.done():
            turns += 1
            await asyncio.sleep(0)
        return await task

    found = run(scenario())

    assert len(found.places["tcp"]) == 4000
    assert turns >= 2000 * len(lines[0]) // 4096


def test_a_slice_that_is_not_over_goes_on() -> None:
    async def scenario() -> None:
        slices = Slices()
        turn: list[int] = []
        asyncio.get_running_loop().call_soon(turn.append, 1)
        await slices.rest()
        assert turn == []

    run(scenario())
