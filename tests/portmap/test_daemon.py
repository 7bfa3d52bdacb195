"""The daemon: its listeners, its lock, why it cannot start, and its life."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import pwd
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loops import run as run_loop
from loops import until
from oncrpc.addr import split_uaddr, transport
from oncrpc.aio.link import dial
from oncrpc.aio.sockets import listen
from oncrpc.portmap import daemon, privileges
from oncrpc.portmap.daemon import (
    LIMITS,
    Config,
    Daemon,
    Listeners,
    PortInUse,
    StartError,
    open_listeners,
    reserved_ports,
    take_lock,
)
from oncrpc.portmap.warmstart import RPCBIND
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS4, rpcb

from .callers import PortMapper

LOCALHOST = "127.0.0.1"
NETWORK_ONLY = Config(port=0, local=False)
LOOPBACK = Config(port=0, local=False, hosts=(LOCALHOST, "::1"))


@contextmanager
def listening(config: Config) -> Iterator[Listeners]:
    """The listeners of a configuration."""
    listeners = open_listeners(config)
    try:
        yield listeners
    finally:
        listeners.close()


def places(listeners: Listeners) -> list[tuple[str, str]]:
    """Netids and hosts, in order."""
    return [
        (netid, "local" if sock.family == socket.AF_UNIX else sock.getsockname()[0])
        for sock, netid in listeners.sockets
    ]


def local(tmp_path: Path, **options: object) -> Config:
    """Local sockets in a directory of their own."""
    sockets = (str(tmp_path / "sock"), f"@oncrpc-test-daemon-{os.getpid()}")
    lock = str(tmp_path / "lock")
    return Config(port=0, sockets=sockets, lock=lock, hosts=(LOCALHOST, "::1"), **options)  # type: ignore[arg-type]  # as the test says


WILDCARD = [("udp", "0.0.0.0"), ("tcp", "0.0.0.0"), ("udp6", "::"), ("tcp6", "::")]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (NETWORK_ONLY, WILDCARD),
        (Config(port=0, local=False, families=("inet",)), WILDCARD[:2]),
        (Config(port=0, local=False, families=("inet6",)), WILDCARD[2:]),
        (
            LOOPBACK,
            [("udp", LOCALHOST), ("tcp", LOCALHOST), ("udp6", "::1"), ("tcp6", "::1")],
        ),
        (
            Config(port=0, local=False, hosts=("127.0.0.2",), families=("inet",)),
            [(netid, host) for netid in ("udp", "tcp") for host in (LOCALHOST, "127.0.0.2")],
        ),
        (
            Config(port=0, local=False, hosts=("0.0.0.0",)),
            [*WILDCARD[:2], ("udp6", "::1"), ("tcp6", "::1")],
        ),
    ],
    ids=["all", "ipv4", "ipv6", "loopback", "named", "wildcard-named"],
)
def test_what_is_bound(config: Config, expected: list[tuple[str, str]]) -> None:
    with listening(config) as listeners:
        assert places(listeners) == expected
        assert len({sock.getsockname()[1] for sock, _ in listeners.sockets}) == 1


def test_local_sockets_are_served_first(tmp_path: Path) -> None:
    with listening(local(tmp_path)) as listeners:
        assert places(listeners)[:2] == [("local", "local")] * 2
        assert places(listeners)[2] == ("udp", LOCALHOST)


def test_a_port_in_use_is_named_and_what_to_do() -> None:
    with listen(transport("tcp"), LOCALHOST, 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse) as raised:
            open_listeners(Config(port=port, local=False, hosts=(LOCALHOST,)))

    assert str(raised.value) == (
        f"cannot bind tcp port {port} of 127.0.0.1: in use; stop the port mapper that has it,"
        " or choose --port"
    )


def test_a_port_in_use_leaves_the_local_socket_of_another_alone(tmp_path: Path) -> None:
    config = local(tmp_path)
    with socket.socket(socket.AF_UNIX) as other, listen(transport("tcp"), LOCALHOST, 0) as taken:
        other.bind(config.sockets[0])
        other.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse):
            open_listeners(Config(port=port, hosts=(LOCALHOST,), sockets=config.sockets))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(config.sockets[0])


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(StartError, match=r"of 203\.0\.113\.7: this host has no such address"):
        open_listeners(Config(port=0, local=False, hosts=("203.0.113.7",)))


class Refusing:
    """In place of ``listen``: fails for some hosts, and counts."""

    def __init__(self, number: int, *hosts: str) -> None:
        self.number, self.hosts = number, hosts
        self.calls = 0

    def __call__(self, entry: object, host: str, port: int) -> socket.socket:
        self.calls += 1
        if host in self.hosts:
            raise OSError(self.number, os.strerror(self.number))
        return listen(entry, host, port)  # type: ignore[arg-type]  # a transport


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EACCES, r"permission denied; run as root, or choose --port above 1023"),
        (errno.ENOBUFS, r"No buffer space available"),
    ],
)
def test_other_reasons_are_named(monkeypatch: pytest.MonkeyPatch, number: int, text: str) -> None:
    refusing = Refusing(number, LOCALHOST)
    monkeypatch.setattr(daemon, "listen", refusing)

    with pytest.raises(StartError, match=text):
        open_listeners(Config(port=0, local=False, hosts=(LOCALHOST,)))

    assert refusing.calls == 1


@pytest.mark.parametrize("hosts", [(), (LOCALHOST, "::1")])
@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_a_host_without_ipv6_is_served_over_ipv4(
    monkeypatch: pytest.MonkeyPatch, hosts: tuple[str, ...], number: int
) -> None:
    monkeypatch.setattr(daemon, "listen", Refusing(number, "::", "::1"))

    with listening(Config(port=0, local=False, hosts=hosts)) as listeners:
        assert [netid for _, netid in listeners.sockets] == ["udp", "tcp"]


def test_without_any_transport_there_is_nothing_to_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "listen", Refusing(errno.EAFNOSUPPORT, "::", "0.0.0.0"))

    with pytest.raises(StartError, match="no transport to serve"):
        open_listeners(NETWORK_ONLY)


def test_a_port_that_is_free_on_all_transports_is_looked_for_and_then_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusing = Refusing(errno.EADDRINUSE, "::")
    monkeypatch.setattr(daemon, "listen", refusing)

    with pytest.raises(StartError, match="no port is free on all transports"):
        open_listeners(NETWORK_ONLY)

    assert refusing.calls > 2 * daemon.PORT_TRIES


def test_an_abstract_name_that_somebody_took_does_not_keep_us_from_serving(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = local(tmp_path)
    with listening(config), caplog.at_level(logging.WARNING):
        listeners = open_listeners(config)

    assert [netid for _, netid in listeners.sockets].count("local") == 1
    assert f"{config.sockets[1]} is not served: address already in use" in caplog.text
    listeners.close()


def test_something_else_in_the_place_of_the_local_socket_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rpcbind.sock"
    path.mkdir()

    with pytest.raises(StartError, match="something that is no socket is there; remove it"):
        open_listeners(Config(port=0, hosts=(LOCALHOST,), families=("inet",), sockets=(str(path),)))


@pytest.mark.parametrize(
    ("path", "number", "text"),
    [
        ("/nowhere/at/all/sock", 0, "cannot create /nowhere/at/all/sock: No such file"),
        ("/run/sock", errno.EACCES, "permission denied; run as root, or with --no-local"),
        ("/run/sock", errno.EPERM, "permission denied; run as root, or with --no-local"),
    ],
)
def test_a_local_socket_that_cannot_be_made_is_named(
    monkeypatch: pytest.MonkeyPatch, path: str, number: int, text: str
) -> None:
    def fails(_: str) -> socket.socket:
        raise OSError(number, os.strerror(number))

    if number:
        monkeypatch.setattr(daemon, "listen_local", fails)

    with pytest.raises(StartError, match=text):
        open_listeners(Config(port=0, hosts=(LOCALHOST,), families=("inet",), sockets=(path,)))


def test_the_lock_is_held_once(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    held = take_lock(path)

    with pytest.raises(StartError, match=r"already running \(it holds .*lock\); stop it first"):
        take_lock(path)

    os.close(held)
    os.close(take_lock(path))


def test_a_lock_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"no such file or directory; remove what is there, or"):
        take_lock(str(tmp_path / "gone" / "lock"))


def test_a_lock_that_is_a_pipe_does_not_hang_the_start(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    os.mkfifo(path)

    os.close(take_lock(str(path)))


def test_nobody_else_can_open_the_lock_and_so_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch(0o444)

    os.close(take_lock(str(path)))

    assert path.stat().st_mode & 0o777 == 0o600


def user(name: str, number: int) -> pwd.struct_passwd:
    """An entry of passwd."""
    return pwd.struct_passwd((name, "x", number, number, "", "/", "/bin/false"))


class Process:
    """In place of our own: who runs it, and whom it became."""

    def __init__(self, uid: int, error: OSError | None = None) -> None:
        self.uid, self.error = uid, error
        self.became: list[int] = []

    def geteuid(self) -> int:
        return self.uid

    def drop(self, to: pwd.struct_passwd) -> None:
        if self.error is not None:
            raise self.error
        self.became.append(to.pw_uid)


def leave_root(
    monkeypatch: pytest.MonkeyPatch, process: Process, name: str | None, found: object
) -> None:
    """What the daemon does once its sockets are bound."""
    monkeypatch.setattr(daemon.os, "geteuid", process.geteuid)  # type: ignore[attr-defined]  # os
    monkeypatch.setattr(privileges, "user_of", lambda _: found)
    monkeypatch.setattr(privileges, "drop", process.drop)
    daemon._leave_root(Config(user=name))


def test_root_becomes_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(0)

    leave_root(monkeypatch, process, None, user("_rpc", 102))

    assert process.became == [102]


def test_root_stays_root_if_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(0)

    leave_root(monkeypatch, process, "root", user("root", 0))

    assert process.became == []


def test_where_there_is_no_user_to_become_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    leave_root(monkeypatch, Process(0), None, None)

    assert "going on as root" in caplog.text


def test_others_stay_who_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (None, "me"):
        process = Process(1000)
        leave_root(monkeypatch, process, name, user("me", 1000))
        assert process.became == []


def test_others_cannot_become_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StartError, match="only root can become user 'you'"):
        leave_root(monkeypatch, Process(1000), "you", user("you", 1001))


def test_a_user_that_cannot_be_become_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(0, OSError(errno.EPERM, "Operation not permitted"))

    with pytest.raises(StartError, match="cannot become user _rpc: Operation not permitted"):
        leave_root(monkeypatch, process, None, user("_rpc", 102))


def test_a_user_that_is_not_there_is_named() -> None:
    with pytest.raises(StartError, match="there is no user 'nobody-at-all'; see --user"):
        daemon._leave_root(Config(user="nobody-at-all"))


class Descriptors:
    """In place of the process's limit of open files."""

    RLIM_INFINITY = resource.RLIM_INFINITY
    RLIMIT_NOFILE = resource.RLIMIT_NOFILE

    def __init__(self, soft: int, hard: int) -> None:
        self.limits = (soft, hard)

    def getrlimit(self, _: int) -> tuple[int, int]:
        return self.limits

    def setrlimit(self, _: int, limits: tuple[int, int]) -> None:
        self.limits = limits


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        (1024, 524288, 8192),
        (1024, 4096, 4096),
        (1024, resource.RLIM_INFINITY, 8192),
        (20000, 20000, 20000),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, resource.RLIM_INFINITY),
    ],
)
def test_descriptors_are_raised_as_far_as_that_goes(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int
) -> None:
    limit = Descriptors(soft, hard)
    monkeypatch.setattr(daemon, "resource", limit)

    daemon._raise_descriptors()

    assert limit.limits == (raised, hard)


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


def test_addresses_that_are_all_of_another_family_are_refused() -> None:
    with pytest.raises(StartError, match="none of the addresses"):
        open_listeners(Config(port=0, hosts=("::1",), families=("inet",), local=False))
