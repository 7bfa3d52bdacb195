"""The daemon: start, end, restart, and its own registrations."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path

import pytest

from oncrpc.addr import split_uaddr
from oncrpc.aio.link import dial
from oncrpc.daemon import signals
from oncrpc.daemon.config.values import StartError
from oncrpc.daemon.state.folders import Folders
from oncrpc.portmap.app import reserved_ports
from oncrpc.portmap.registry import SUPERUSER, Registry
from oncrpc.portmap.store import FORM, open_store
from oncrpc.portmap.warmstart import PORTMAP, RPCBIND, WarmStart
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS4, rpcb
from support.callers import PortMapper, registered
from support.daemons import LOCALHOST, Daemon, listening, live, local, setup, with_folders
from support.loops import run as run_loop
from support.loops import until


async def ask(made: Daemon) -> int:
    """The port in the daemon's own registration."""
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


def test_daemon_registers_answers_and_ends(tmp_path: Path) -> None:
    config = local(tmp_path, remote_calls=True)

    async def scenario() -> None:
        with listening(config) as listeners:
            made = config.daemon(listeners)
            ready = asyncio.Event()
            running = asyncio.ensure_future(live(made, ready))
            await ready.wait()
            assert await ask(made) == split_uaddr(made.server.addresses["tcp"])[1]
            assert len(made.app.registry) == 12
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
            await running
            assert not os.path.exists(config.sockets[0])

    kept = {number: signal.getsignal(number) for number in signals.IGNORED}
    try:
        run_loop(scenario())
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def test_restart_restores_the_registrations(tmp_path: Path) -> None:
    config = local(tmp_path, warm_start=str(tmp_path))

    async def scenario() -> None:
        with listening(config) as listeners:
            first = config.daemon(listeners)
            first.start()
            await register(config.sockets[0], 400001)
            await until((tmp_path / RPCBIND).exists)
            await first.close()
        with listening(config) as listeners:
            second = config.daemon(listeners)
            second.start()
            assert [entry.r_prog for entry in second.app.registry][-1] == 400001
            await second.close()

    run_loop(scenario())


def test_last_change_is_written_at_the_end(tmp_path: Path) -> None:
    config = local(tmp_path, warm_start=str(tmp_path))

    async def scenario() -> None:
        with listening(config) as listeners:
            made = config.daemon(listeners)
            made.start()
            link = await dial("local", config.sockets[0], 0)
            await until(lambda: made.server.pools["local"].connections)
            entry = rpcb(400001, 1, b"tcp", b"0.0.0.0.8.1", b"")
            (connection,) = made.server.pools["local"].connections
            connection.answer(PortMapper().message(RPCBVERS4.RPCBPROC_SET, entry), [])
            await made.close()
            link.close()
            assert b"\x00\x06\x1a\x81" in (tmp_path / RPCBIND).read_bytes()

    run_loop(scenario())


def test_acknowledged_change_is_kept_at_once(tmp_path: Path) -> None:
    config = with_folders(
        local(tmp_path, state_dir=str(tmp_path / "state"), user=str(os.geteuid()))
    )

    async def scenario() -> None:
        with listening(config) as listeners:
            first = config.daemon(listeners)
            first.start()
            await register(config.sockets[0], 400001)
            assert first.app.store is not None
            assert first.control is not None
            await first.control.close()
            first.interfaces.close()
            first.app.store.close()  # as the kernel does it for a killed one
            await first.server.close()
        with listening(config) as listeners:
            second = config.daemon(listeners)
            second.start()
            assert [entry.r_prog for entry in second.app.registry][-1] == 400001
            assert len(second.app.registry) == len(second.app.own) + 1
            snapshot = (tmp_path / "state" / "snapshot").read_bytes()
            assert FORM.read(snapshot).header.count == 1
            await second.close()

    run_loop(scenario())


def test_our_own_registrations_are_not_kept(tmp_path: Path) -> None:
    config = with_folders(
        local(tmp_path, state_dir=str(tmp_path / "state"), user=str(os.geteuid()))
    )

    async def scenario() -> None:
        for _ in range(2):
            with listening(config) as listeners:
                made = config.daemon(listeners)
                made.start()
                before = list(made.app.registry)
                assert len(before) == len(made.app.own) > 0
                assert made.app.registry.unset(100000, 4, (b"",), owner=SUPERUSER)
                assert made.app.registry.set(before[0])
                assert (tmp_path / "state" / "journal").stat().st_size < 100
                await made.close()

    run_loop(scenario())


def started_with(
    tmp_path: Path, store: list[rpcb] | None, warm: list[rpcb], *, later: str
) -> list[int]:
    """The programs that a daemon has restored from a store and the files of -w."""
    state, names = tmp_path / "state", ("snapshot", "journal")
    config = with_folders(
        local(tmp_path, state_dir=str(state), user=str(os.geteuid()), warm_start=str(tmp_path))
    )
    if store is not None:
        made = open_store(str(state), lambda: store)
        made.begin()
        made.close()
        for name in names:
            os.utime(state / name, (2e9, 2e9 if later == "store" else 1e9))
    assert WarmStart(str(tmp_path)).save(registry_of(warm))
    for name in (RPCBIND, PORTMAP):
        os.utime(tmp_path / name, (15e8, 15e8))

    async def scenario() -> list[int]:
        with listening(config) as listeners:
            daemon_made = config.daemon(listeners)
            daemon_made.start()
            found = [e.r_prog for e in daemon_made.app.registry if e not in daemon_made.app.own]
            await daemon_made.close()
            assert [e.r_prog for e in in_files(tmp_path)] == found
            return found

    return run_loop(scenario())


def registry_of(entries: list[rpcb]) -> Registry:
    """A registry of these."""
    made = Registry()
    for entry in entries:
        assert made.set(entry)
    return made


def in_files(path: Path) -> list[rpcb]:
    """The registrations in the files of -w, without the port mapper's own."""
    made = Registry()
    WarmStart(str(path)).load(made)
    return list(made)


IN_STORE, IN_FILES = [registered(1, 1), registered(2, 1)], [registered(3, 1)]


def test_store_wins_over_warm_start_files(tmp_path: Path) -> None:
    assert started_with(tmp_path, IN_STORE, IN_FILES, later="store") == [1, 2]


def test_a_store_that_is_empty_wins_too(tmp_path: Path) -> None:
    assert started_with(tmp_path, [], IN_FILES, later="store") == []


def test_without_a_store_the_files_are_read(tmp_path: Path) -> None:
    assert started_with(tmp_path, None, IN_FILES, later="store") == [3]


def test_newer_warm_start_files_win(tmp_path: Path) -> None:
    assert started_with(tmp_path, IN_STORE, IN_FILES, later="files") == [3]


def test_unreadable_newer_files_do_not_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WarmStart, "written", lambda _: 3e9)
    (tmp_path / PORTMAP).mkdir()
    (tmp_path / RPCBIND).write_bytes(b"junk")
    store = open_store(prepared_state(tmp_path), lambda: IN_STORE)
    store.begin()
    store.close()

    assert restored(tmp_path, state_dir=str(tmp_path / "state")) == 2


def test_lower_limits_do_not_drop_restored_registrations(tmp_path: Path) -> None:
    several = [rpcb(400001 + n, 1, b"tcp", b"0.0.0.0.8.1", b"1000") for n in range(5)]
    store = open_store(prepared_state(tmp_path), lambda: several)
    store.begin()
    store.close()
    policy = tmp_path / "portmap.toml"
    policy.write_text("[registration]\nper-owner = 1\n")

    state = str(tmp_path / "state")
    assert restored(tmp_path, state_dir=state, policy=str(policy)) == len(several)


def prepared_state(path: Path) -> str:
    """A directory for a store."""
    (path / "state").mkdir(0o700)
    return str(path / "state")


def test_locked_directory_ends_the_start(tmp_path: Path) -> None:
    held = open_store(prepared_state(tmp_path), lambda: [])

    with pytest.raises(StartError, match="another daemon keeps its state in"):
        restored(tmp_path, state_dir=held.path)

    held.close()


def test_named_directory_needs_a_boot_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> bytes:
        return (tmp_path / "boot_id").read_bytes()

    monkeypatch.setattr("oncrpc.daemon.state.journal.boot_id", none)

    with pytest.raises(StartError, match="boot_id: No such file or directory; use --no-state"):
        restored(tmp_path, state_dir=prepared_state(tmp_path))


def test_unusable_registrations_are_not_restored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(
        prepared_state(tmp_path), lambda: [registered(1, 1), registered(2, 1, "gone")]
    )
    store.begin()
    store.close()

    assert restored(tmp_path, state_dir=store.path) == 1
    assert "1 registrations are not usable, and were not restored" in caplog.text


def test_a_corrupt_file_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / RPCBIND).write_bytes(b"junk")
    (tmp_path / RPCBIND).chmod(0o600)

    assert restored(tmp_path) == 0
    assert "corrupt" in caplog.text
    assert (tmp_path / (RPCBIND + ".corrupt")).exists()


def test_file_writable_by_others_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / RPCBIND).write_bytes(b"\0\0\0\0")
    (tmp_path / RPCBIND).chmod(0o666)

    assert restored(tmp_path) == 0
    assert "will not write it" in caplog.text
    assert os.listdir(tmp_path) == [RPCBIND]


def restored(path: Path, *, state_dir: str | None = None, policy: str | None = None) -> int:
    """Start and end a daemon; returns the number of restored registrations."""
    config = setup(
        port=0, local=False, bind=(LOCALHOST, "::1"), warm_start=str(path), file=policy
    )._replace(folders=Folders(state_dir))

    async def scenario() -> int:
        with listening(config) as listeners:
            made = config.daemon(listeners)
            made.start()
            count = len(made.app.registry)
            await made.close()
            return count - 10

    logging.getLogger("oncrpc.portmap").setLevel(logging.INFO)
    return run_loop(scenario())


@pytest.mark.parametrize(
    ("text", "first"), [("0\n", 0), ("80\n", 80), ("4096\n", 1024), ("many\n", 1024)]
)
def test_first_free_port_limits_reserved_ports(tmp_path: Path, text: str, first: int) -> None:
    setting = tmp_path / "ip_unprivileged_port_start"
    setting.write_text(text)

    assert reserved_ports(str(setting)) == first


def test_ports_below_1024_are_reserved_by_default(tmp_path: Path) -> None:
    assert reserved_ports(str(tmp_path / "none")) == 1024
