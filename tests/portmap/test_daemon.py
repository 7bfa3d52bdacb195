"""The daemon: its life, and what it registers of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
from pathlib import Path

import pytest

from loops import run as run_loop
from loops import until
from oncrpc.addr import split_uaddr
from oncrpc.aio.link import dial
from oncrpc.portmap import daemon
from oncrpc.portmap.daemon import LIMITS, Daemon, reserved_ports
from oncrpc.portmap.settings import Config
from oncrpc.portmap.warmstart import RPCBIND
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS4, rpcb

from .callers import PortMapper
from .descriptors import Descriptors
from .listeners import LOCALHOST, listening, local


@pytest.mark.parametrize(
    ("soft", "most"),
    [(resource.RLIM_INFINITY, LIMITS.connections), (8192, LIMITS.connections), (264, 100), (8, 2)],
)
def test_connections_from_the_network_leave_descriptors_for_local_ones(
    monkeypatch: pytest.MonkeyPatch, soft: int, most: int
) -> None:
    monkeypatch.setattr(daemon, "resource", Descriptors(soft, soft))

    assert daemon._connections() == most
    assert soft in (8, resource.RLIM_INFINITY) or 2 * most <= soft


async def ask(made: Daemon) -> int:
    """The port that the daemon gives for itself."""
    _, port = split_uaddr(made.server.addresses["tcp"])
    link = await dial("tcp", LOCALHOST, port)
    answer = await PMAP_VERS.Client(link).PMAPPROC_GETPORT(mapping(100000, 2, 6, 0))
    link.close()
    return answer


async def register(path: str, number: int) -> None:
    """Register a program over the daemon's local socket."""
    link = await dial("local", path, 0)
    entry = rpcb(number, 1, b"tcp", b"0.0.0.0.8.1", b"")
    assert await RPCBVERS4.Client(link).RPCBPROC_SET(entry)
    link.close()


def test_it_registers_itself_answers_and_ends_at_a_signal(tmp_path: Path) -> None:
    config = local(tmp_path, remote_calls=True)

    async def scenario() -> None:
        with listening(config) as listeners:
            made = Daemon(config, listeners)
            ready = asyncio.Event()
            running = asyncio.ensure_future(made.run(ready.set))
            await ready.wait()
            assert await ask(made) == split_uaddr(made.server.addresses["tcp"])[1]
            assert len(made.registry) == 12
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
            await running
            assert not os.path.exists(config.sockets[0])

    kept = {number: signal.getsignal(number) for number in daemon.IGNORED}
    try:
        run_loop(scenario())
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def test_a_restart_restores_what_was_registered(tmp_path: Path) -> None:
    config = local(tmp_path, warm_start=str(tmp_path))

    async def scenario() -> None:
        with listening(config) as listeners:
            first = Daemon(config, listeners)
            first.start()
            await register(config.sockets[0], 400001)
            await until((tmp_path / RPCBIND).exists)
            await first.close()
        with listening(config) as listeners:
            second = Daemon(config, listeners)
            second.start()
            assert [entry.r_prog for entry in second.registry][-1] == 400001
            await second.close()

    run_loop(scenario())


def test_the_last_change_is_written_even_if_it_comes_with_the_end(tmp_path: Path) -> None:
    config = local(tmp_path, warm_start=str(tmp_path))

    async def scenario() -> None:
        with listening(config) as listeners:
            made = Daemon(config, listeners)
            made.start()
            link = await dial("local", config.sockets[0], 0)
            await until(lambda: made.server.pools["local"].connections)
            entry = rpcb(400001, 1, b"tcp", b"0.0.0.0.8.1", b"")
            (connection,) = made.server.pools["local"].connections
            connection._answer(PortMapper().message(RPCBVERS4.RPCBPROC_SET, entry))
            await made.close()
            link.close()
            assert b"\x00\x06\x1a\x81" in (tmp_path / RPCBIND).read_bytes()

    run_loop(scenario())


def test_a_corrupt_file_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / RPCBIND).write_bytes(b"junk")
    (tmp_path / RPCBIND).chmod(0o600)

    assert restored(tmp_path) == 0
    assert "corrupt" in caplog.text
    assert (tmp_path / (RPCBIND + ".corrupt")).exists()


def test_a_file_that_others_may_write_is_neither_read_nor_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / RPCBIND).write_bytes(b"\0\0\0\0")
    (tmp_path / RPCBIND).chmod(0o666)

    assert restored(tmp_path) == 0
    assert "will not write it" in caplog.text
    assert os.listdir(tmp_path) == [RPCBIND]


def restored(path: Path) -> int:
    """Start and end a daemon; how many registrations it restored."""
    config = Config(port=0, local=False, hosts=(LOCALHOST, "::1"), warm_start=str(path))

    async def scenario() -> int:
        with listening(config) as listeners:
            made = Daemon(config, listeners)
            made.start()
            count = len(made.registry)
            await made.close()
            return count - 10

    logging.getLogger("oncrpc.portmap").setLevel(logging.INFO)
    return run_loop(scenario())


@pytest.mark.parametrize(
    ("text", "first"), [("0\n", 0), ("80\n", 80), ("4096\n", 1024), ("many\n", 1024)]
)
def test_a_port_that_any_user_may_bind_proves_nothing(
    tmp_path: Path, text: str, first: int
) -> None:
    setting = tmp_path / "ip_unprivileged_port_start"
    setting.write_text(text)

    assert reserved_ports(str(setting)) == first


def test_where_the_host_does_not_say_ports_below_1024_are_reserved(tmp_path: Path) -> None:
    assert reserved_ports(str(tmp_path / "none")) == 1024
