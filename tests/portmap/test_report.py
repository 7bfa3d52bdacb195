"""The status of a daemon: its counts, and no data that nobody sent."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path

import msgspec
import pytest

from oncrpc.addr import split_uaddr
from oncrpc.aio.link import dial
from oncrpc.daemon import common_status as common_report
from oncrpc.daemon.control.status import Drops, RulesRead
from oncrpc.errors import AuthError, OncRpcError
from oncrpc.portmap.config import SCHEMA
from oncrpc.portmap.status import Forwarding, Registered, Status
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS4, rpcb, rpcb_rmtcallargs
from oncrpc.version import __version__
from support.daemons import LOCALHOST, Daemon, serving, stateful
from support.loops import run, until
from support.words import words

Play = Callable[[Daemon], Coroutine[None, None, None]]


def played(tmp_path: Path, play: Play, **options: object) -> Status:
    """The status that a daemon sends after a play."""

    async def scenario() -> Status:
        async with serving(stateful(tmp_path, **options)) as made:
            await play(made)
            sent = msgspec.json.encode(await made.status())
            return msgspec.json.decode(sent, type=Status)

    return run(scenario())


async def nothing(_made: Daemon) -> None:
    """A play that does nothing."""


def port_of(made: Daemon) -> int:
    return split_uaddr(made.server.addresses["tcp"])[1]


def test_fresh_daemon_reports_itself(tmp_path: Path) -> None:
    found = played(tmp_path, nothing)

    assert (found.version, found.pid) == (__version__, os.getpid())
    assert found.uptime > 0
    assert [each.netid for each in found.sockets] == [
        "local", "local", "udp", "tcp", "udp6", "tcp6",
    ]  # fmt: skip
    assert found.sockets[0].address == str(tmp_path / "sock")
    assert found.sockets[1].address.startswith("@")
    assert found.policy == RulesRead(SCHEMA.file, 0, missing=True)
    assert found.forwarding == Forwarding(enabled=False, pending=0)
    assert found.calls.total == 0
    assert set(found.refusals.values()) == {0}
    assert found.warm_start is None
    assert found.state is not None
    assert found.state.directory == str(tmp_path / "state")
    assert found.state.journal > 0


def test_status_shows_the_options(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text("[[rule]]\nthen = 'allow'\n")
    policy.chmod(0o600)

    found = played(
        tmp_path,
        nothing,
        file=str(policy),
        remote_calls=True,
        interval=30,
        watch=True,
        warm_start=str(tmp_path),
    )

    assert found.policy == RulesRead(str(policy), 1)
    assert found.forwarding.enabled
    assert (found.liveness.interval, found.liveness.watched) == (30, 0)
    assert found.liveness.last is None
    assert found.warm_start == str(tmp_path)


def test_without_state_directory_status_has_none(tmp_path: Path) -> None:
    assert played(tmp_path, nothing, state_dir=None, state=False).state is None


def test_cached_calls_are_counted_too(tmp_path: Path) -> None:
    async def play(made: Daemon) -> None:
        link = await dial("udp", LOCALHOST, port_of(made))
        for _ in range(3):
            await PMAP_VERS.Client(link).PMAPPROC_GETPORT(mapping(100003, 3, 6, 0))
        await RPCBVERS4.Client(link).RPCBPROC_GETTIME()
        link.close()

    found = played(tmp_path, play)

    called = {(each.version, each.procedure): each for each in found.calls.procedures}
    assert len(called) == 6 + 9 + 13
    assert {key: each.calls for key, each in called.items() if each.calls} == {
        (2, "GETPORT"): 3,
        (4, "GETTIME"): 1,
    }
    assert found.calls.total == 4
    assert found.calls.rate == pytest.approx(4 / found.calls.window)
    assert called[2, "GETPORT"].rate == pytest.approx(3 / found.calls.window)
    assert found.calls.since >= found.calls.window > 0


def test_a_rate_over_no_time_is_none(tmp_path: Path) -> None:
    async def play(made: Daemon) -> None:
        made.rates.clock = lambda: made.rates.began

    assert played(tmp_path, play).calls.rate == 0


def test_refusals_are_counted_by_kind(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text("[hosts]\nenabled = false\n[registration]\nlocal-only = true\n")
    policy.chmod(0o600)

    async def play(made: Daemon) -> None:
        link = await dial("udp", LOCALHOST, port_of(made))
        client = RPCBVERS4.Client(link)
        with pytest.raises(AuthError):
            await client.RPCBPROC_SET(rpcb(400001, 1, b"tcp", b"0.0.0.0.8.1", b""))
        for _ in range(2):
            with pytest.raises(AuthError):
                await client.RPCBPROC_INDIRECT(rpcb_rmtcallargs(100005, 1, 1, b""))
        link.close()

    assert played(tmp_path, play, file=str(policy)).refusals == {
        "unauthorized": 0,
        "declined": 1,
        "indirect": 2,
    }


def test_malformed_and_overlong_datagrams_are_counted(tmp_path: Path) -> None:
    async def play(made: Daemon) -> None:
        for number in range(400):
            made.app.registry.set(rpcb(400000 + number, 1, b"tcp", b"0.0.0.0.8.1", b"superuser"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((LOCALHOST, port_of(made)))
            for data in (b"junk", words(1, 0, 2), words(1, 0, 2)):
                sock.send(data)
        link = await dial("udp", LOCALHOST, port_of(made))
        with pytest.raises(OncRpcError):
            await RPCBVERS4.Client(link).RPCBPROC_DUMP()
        link.close()

    drops = played(tmp_path, play).drops
    assert drops == Drops(rate=0, busy=0, malformed=2, overlong=1, kernel=1)


def test_missing_kernel_drops_count_as_zero() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        pass

    assert common_report.dropped_by_kernel(closed) == 0


def test_connections_are_counted_by_transport(tmp_path: Path) -> None:
    async def play(made: Daemon) -> None:
        (path, *_) = made.app.sockets
        links = [await dial("local", path, 0) for _ in range(2)]
        links.append(await dial("tcp", LOCALHOST, port_of(made)))
        await until(lambda: sum(len(p.connections) for p in made.server.pools.values()) == 3)
        assert made.snapshot().connections == {"local": 2, "tcp": 1}
        for link in links:
            link.close()

    played(tmp_path, play)


def registrations(found: Status) -> dict[int, Registered]:
    return {each.program: each for each in found.registrations}


def test_registration_has_name_owner_age_and_endpoint(tmp_path: Path) -> None:
    with socket.create_server((LOCALHOST, 0)) as server:
        port = server.getsockname()[1]
        here = f"{LOCALHOST}.{port >> 8}.{port & 255}".encode()
        server_gone = b"127.0.0.1.0.1"

        async def play(made: Daemon) -> None:
            for entry in (
                rpcb(100003, 3, b"tcp", here, b"superuser"),
                rpcb(400001, 1, b"tcp", server_gone, b"1000"),
                rpcb(400002, 1, b"tcp", b"192.0.2.1.8.1", b"1000"),
            ):
                assert made.app.registry.set(entry)
            made.app.ages.clock = lambda: asyncio.get_running_loop().time() + 5

        found = registrations(played(tmp_path, play, interval=60))

    nfs = found[100003]
    assert msgspec.structs.replace(nfs, age=0) == Registered(
        program=100003, name="nfs", version=3, netid="tcp", address=here.decode(),
        owner="superuser", age=0, endpoint="alive",
    )  # fmt: skip
    assert 5 <= nfs.age < 15
    assert (found[400001].endpoint, found[400002].endpoint) == ("gone", "unknown")
    assert found[400001].name is None
    assert found[100000].endpoint == "alive"


def test_without_checks_nothing_is_known_of_servers(tmp_path: Path) -> None:
    async def play(made: Daemon) -> None:
        made.app.registry.set(rpcb(400001, 1, b"tcp", b"127.0.0.1.0.1", b"1000"))

    found = registrations(played(tmp_path, play))

    assert found[400001].endpoint == "unknown"


def test_of_many_registrations_the_first_are_listed(tmp_path: Path) -> None:
    async def play(made: Daemon) -> None:
        assert len(made.app.report(common_report.common_status(made), listed=3).registrations) == 3
        assert made.app.report(common_report.common_status(made), listed=0).registered == len(
            made.app.registry
        )

    played(tmp_path, play)


def test_without_proc_uptime_is_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common_report, "started_at", lambda _: None)

    assert 0 < played(tmp_path, nothing).uptime < 10
