"""Restart in place: the daemon continues as a new image, and no client notices."""

from __future__ import annotations

import os
import shlex
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from oncrpc import sync
from oncrpc.daemon import lockfile as pidfile
from oncrpc.daemon.privileges import user_of
from oncrpc.portmap.config import USERS
from support.hosts import PORTMAP, Host, finished, for_all, portmap, status_of, until
from support.mapper_load import LOOPBACK, SOCKET, Load
from support.namespace import PortMapper
from support.wire import Stream, call, record, rpcb, stream, success
from support.words import words

pytestmark = [pytest.mark.interop, pytest.mark.slow]

TIMES = 10
RELOAD = (*PORTMAP, "reload")
LOCK = "/run/rpcbind.lock"
LEAST_CALLS = 100
"""The fewest calls of each kind in a run that make it meaningful."""


@pytest.fixture
def host() -> Iterator[Host]:
    """A host without a port mapper."""
    with Host() as made:
        yield made


def restart(host: Host, times: int = 1) -> int:
    """Restart in place that many times; returns the process id."""
    for _ in range(times):
        done = host.run([*RELOAD, "--exec"])
        assert (done.returncode, done.stderr) == (0, "")
    holder = pidfile.read(host.path(LOCK))
    assert holder is not None
    return holder.pid


def readable(host: Host, *options: str) -> PortMapper:
    """Our port mapper, executable by the user that it changes to."""
    return PortMapper((*for_all(host), "-f", *options), needs="env")


def as_root(host: Host, *options: str) -> PortMapper:
    """Our port mapper, running as root."""
    return portmap("-u", "root", *options)


@pytest.mark.parametrize("command", [as_root, readable], ids=["as root", "as another user"])
def test_ten_restarts_under_load_lose_nothing(
    host: Host, command: Callable[[Host], PortMapper], capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = host.start(command(host))

    with Load(host) as load:
        for _ in range(TIMES):
            pid = restart(host)
            until(partial(load.goes_on, dict(load.counts)), "all clients are answered again")

    assert load.trouble == []
    assert pid == daemon.pid
    assert load.most_sent <= 2
    assert min(load.counts.values()) >= LEAST_CALLS, load.counts
    kept = {entry.r_prog for entry in sync.run(host.mapper().dump())}
    assert set(load.registered) <= kept
    with capsys.disabled():
        print(f"\n  {TIMES} restarts, calls answered: {load.counts}; sent {load.most_sent} times")


def test_new_image_keeps_process_user_and_options(
    host: Host,
) -> None:
    daemon = host.start(readable(host, "-r"))
    before = Path(f"/proc/{daemon.pid}/cmdline").read_bytes().split(b"\0")
    user = user_of(None, USERS)
    assert user is not None

    pid = restart(host, 2)

    assert pid == daemon.pid
    after = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    assert after[1:] == before[1:]
    assert status_of(pid)["Uid"].split() == [str(user.pw_uid)] * 4
    assert int(status_of(pid)["SigBlk"], 16) == 0


def test_partial_record_survives_the_restart(host: Host) -> None:
    host.start(as_root(host))
    whole = record(call(5, 2, 0))

    with stream(host, LOOPBACK) as client:
        client.send(whole[:-9])
        restart(host)
        client.send(whole[-9:])
        assert client.receive() == success(5)


DUMPS = 200


def test_unread_replies_survive_the_restart(host: Host) -> None:
    host.start(as_root(host))
    register(host, 200)
    with host.network():
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(10)
        sock.connect(LOOPBACK)
        client = Stream(sock)
        sock.sendall(b"".join(record(call(xid, 4, 4)) for xid in range(DUMPS)))

        restart(host, 2)
        replies = [client.receive() for _ in range(DUMPS)]

    assert [reply[:4] for reply in replies] == [words(xid) for xid in range(DUMPS)]
    assert len({reply[4:] for reply in replies}) == 1


def register(host: Host, count: int) -> None:
    with stream(host, SOCKET) as client:
        for xid in range(1, count + 1):
            entry = rpcb(500000 + xid, 1, "tcp", "0.0.0.0.0.111")
            assert client.ask(call(xid, 4, 1, entry)) == success(xid, 1)


def test_registrations_keep_their_order_and_owners(host: Host) -> None:
    host.start(as_root(host, "--no-state"))
    register(host, 20)
    before = sync.run(host.mapper().dump())

    restart(host, 2)

    assert sync.run(host.mapper().dump()) == before


def test_a_second_daemon_still_finds_the_lock_held(host: Host) -> None:
    host.start(as_root(host))
    restart(host)

    done = host.run([*PORTMAP, "-f"])

    assert done.returncode == 1
    assert "another port mapper is already running" in done.stderr


def test_a_daemon_in_the_background_restarts_too(host: Host) -> None:
    assert host.run([*PORTMAP, "-u", "root"]).returncode == 0
    pid = host.port_mapper_pid()
    try:
        assert restart(host, 2) == pid
        assert {os.readlink(f"/proc/{pid}/fd/{n}") for n in (0, 1, 2)} == {"/dev/null"}
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        with stream(host, LOOPBACK) as client:
            assert client.ask(call(1, 2, 0)) == success(1)
    finally:
        os.kill(pid, signal.SIGTERM)


def test_it_ends_as_ever_after_a_restart(host: Host) -> None:
    daemon = host.start(as_root(host))
    restart(host)

    daemon.terminate()

    assert finished(daemon) == 0
    assert not os.path.lexists(host.path(SOCKET))


def logged(host: Host, *options: str) -> PortMapper:
    """The daemon with its messages in a file."""
    script = f"exec {shlex.join([*PORTMAP, '-f', *options])} 2>/run/log"
    return PortMapper(("sh", "-c", script), needs="sh")


@pytest.mark.parametrize(
    ("break_it", "line"),
    [
        (
            ("sh", "-c", "echo 'nonsense = 1' > /run/policy.toml"),
            "process {pid}: restart failed: /run/policy.toml",
        ),
        (
            ("mount", "-t", "tmpfs", "tmpfs", "/run/program"),
            "process {pid}: restart failed: user root cannot run /run/program/python:"
            " no such file or directory; continuing",
        ),
    ],
    ids=["its configuration is wrong", "its interpreter is gone"],
)
def test_unstartable_image_is_not_tried(host: Host, break_it: Sequence[str], line: str) -> None:
    command = for_all(host)
    host.sh("touch /run/policy.toml; mkdir /run/program")
    host.sh(f"mkdir -p {Path('/run/program/bin')}; ln -s {command[2]} /run/program/python")
    argv = (*command[:2], "/run/program/python", *command[3:])
    script = f"exec {shlex.join([*argv, '-f', '-u', 'root', '--config', '/run/policy.toml'])}"
    daemon = host.start(PortMapper(("sh", "-c", f"{script} 2>/run/log"), needs="sh"))
    host.run(break_it)

    done = host.run([*RELOAD, "--exec"])

    assert done.returncode == 1
    assert done.stderr.startswith("portmap: " + line.format(pid=daemon.pid)), done.stderr
    assert done.stderr.count("\n") == 1
    assert "restart failed: " in Path(host.path("/run/log")).read_text()
    with stream(host, LOOPBACK) as client:
        assert client.ask(call(1, 2, 0)) == success(1)


def test_reload_has_the_files_read_again(host: Host) -> None:
    daemon = host.start(as_root(host))

    done = host.run(RELOAD)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"portmap: process {daemon.pid} has read its files again\n"


def test_pid_file_finds_the_daemon(host: Host) -> None:
    host.popen([*PORTMAP, "-f", "-u", "root", "--no-local", "--pid-file", "/run/pid"])
    until(lambda: host.serves("tcp", "127.0.0.1"), "it serves")
    until(lambda: Path(host.path("/run/pid")).read_text() != "", "it says who it is")

    done = host.run([*RELOAD, "--exec", "--pid-file", "/run/pid"])

    assert done.returncode == 0, done.stderr


def test_reload_reports_a_missing_port_mapper(host: Host) -> None:
    done = host.run(RELOAD)

    assert (done.returncode, done.stderr) == (
        1,
        "portmap: no port mapper runs: /run/rpcbind.lock does not exist; "
        "see --port and --pid-file\n",
    )
