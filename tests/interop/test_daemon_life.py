"""The daemon from start to end: output, sockets, user, and the files that it leaves."""

from __future__ import annotations

import os
import pwd
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oncrpc import sync
from oncrpc.daemon.privileges import user_of
from oncrpc.portmap.config import USERS
from support.hosts import (
    C_RPCBIND,
    PORTMAP,
    Host,
    finished,
    for_all,
    portmap,
    status_of,
    until,
    wait_gone,
)
from support.namespace import PortMapper, need
from support.wire import call, stream, success
from support.words import words

pytestmark = [pytest.mark.interop, pytest.mark.slow]

ORDINARY = 1000
PROGRAM = 400700
WITHOUT_FILES = f"exec {shlex.join(PORTMAP)} {{}} <&- >&- 2>&-"
RUNNING = (
    "portmap: another port mapper is already running (it holds /run/rpcbind.lock); stop it first\n"
)
SOCKET = "/run/rpcbind.sock"


@pytest.fixture
def host() -> Iterator[Host]:
    """A host without a port mapper."""
    with Host() as made:
        yield made


@contextmanager
def background(host: Host, *options: str) -> Iterator[int]:
    """Start our port mapper in the background as a shell does; returns its process id."""
    done = host.run([*PORTMAP, *options])
    assert done.returncode == 0, done.stderr
    pid = host.port_mapper_pid()
    try:
        assert (done.stdout, done.stderr) == ("", "")
        yield pid
    finally:
        end_by_pid(pid)


def end_by_pid(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    wait_gone(pid)


def outcome(done: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


def test_the_shell_goes_on_when_the_daemon_serves(host: Host) -> None:
    with background(host), stream(host, ("127.0.0.1", 111)) as client:
        reply = client.ask(call(1, 2, 0))

    assert reply == success(1)


def test_background_daemon_keeps_no_terminal_or_folder(host: Host) -> None:
    with background(host) as pid:
        open_files = {os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)}
        folder, session = os.readlink(f"/proc/{pid}/cwd"), os.getsid(pid)

    assert open_files == {"/dev/null"}
    assert folder == "/"
    assert session != os.getsid(0)


def test_started_without_standard_files_it_serves_everything(host: Host) -> None:
    """Otherwise sockets would get descriptors 0 to 2, and be closed with the terminal's."""
    need("ss")

    done = host.run(["sh", "-c", WITHOUT_FILES.format("")])

    assert done.returncode == 0
    pid = host.port_mapper_pid()
    try:
        assert bound(host) == {(proto, place) for proto in ("udp", "tcp") for place in (ANY4, ANY6)}
    finally:
        end_by_pid(pid)


def test_foreground_daemon_needs_no_standard_files(host: Host) -> None:
    daemon = host.start(PortMapper(("sh", "-c", WITHOUT_FILES.format("-f")), needs="sh"))

    daemon.terminate()

    assert finished(daemon) == 0


@pytest.mark.parametrize("options", [(), ("-f",), ("-d",)], ids=["background", "-f", "-d"])
def test_a_second_daemon_says_one_line_and_fails(host: Host, options: tuple[str, ...]) -> None:
    host.start(portmap())

    done = host.run([*PORTMAP, *options])

    assert outcome(done) == (1, "", RUNNING)
    assert host.run(["rpcinfo", "-p"]).returncode == 0


def test_daemon_does_not_start_beside_c(host: Host) -> None:
    host.start(C_RPCBIND)

    done = host.run([*PORTMAP, "-f"])

    assert outcome(done) == (1, "", RUNNING)


def test_c_does_not_start_beside_daemon(host: Host) -> None:
    need("rpcbind")
    host.start(portmap())

    done = host.run(["rpcbind", "-f"])

    assert done.returncode == 1
    assert "another rpcbind is already running" in done.stderr


@pytest.mark.parametrize("options", [(), ("-f",)], ids=["background", "-f"])
def test_a_port_in_use_is_one_line(host: Host, options: tuple[str, ...]) -> None:
    with host.network():
        taken = socket.create_server(("0.0.0.0", 111))

    with taken:
        done = host.run([*PORTMAP, *options])

    assert outcome(done) == (
        1,
        "",
        "portmap: cannot bind tcp port 111 of 0.0.0.0: in use;"
        " stop the port mapper that has it, or choose --port\n",
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            (),
            "cannot open /run/rpcbind.lock: permission denied; run as root, or with --no-local",
        ),
        (
            ("--no-local",),
            "cannot bind udp port 111 of 0.0.0.0: permission denied;"
            " run as root, or choose --port above 1023",
        ),
        (
            ("--no-local", "-p", "10111", "-u", "root"),
            "only root can become user 'root'",
        ),
    ],
    ids=["lock", "port", "user"],
)
def test_ordinary_user_sees_the_missing_right(
    host: Host, options: tuple[str, ...], says: str
) -> None:
    done = host.run([*for_all(host), "-f", *options], uid=ORDINARY)

    assert outcome(done) == (1, "", f"portmap: {says}\n")


def test_ordinary_user_serves_a_high_port(host: Host) -> None:
    host.popen([*for_all(host), "-f", "--no-local", "-p", "10111"], uid=ORDINARY)

    until(lambda: host.serves("tcp", "127.0.0.1", 10111), "it serves")

    with stream(host, ("127.0.0.1", 10111)) as client:
        assert client.ask(call(1, 4, 0)) == success(1)


@pytest.mark.parametrize("name", ["nosuch", "4294967294", "-1"])
def test_an_unknown_user_is_one_line(host: Host, name: str) -> None:
    done = host.run([*PORTMAP, f"--user={name}"])

    assert outcome(done) == (1, "", f"portmap: unknown user {name!r}; see --user\n")


def test_foreign_bind_address_is_one_line(host: Host) -> None:
    done = host.run([*PORTMAP, "-h", "192.0.2.1"])

    assert outcome(done) == (
        1,
        "",
        "portmap: cannot bind udp port 111 of 192.0.2.1:"
        " this host has no such address; see 'ip address'\n",
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_ending_signal_gives_status_0(host: Host, number: signal.Signals) -> None:
    daemon = host.start(portmap())

    daemon.send_signal(number)

    assert finished(daemon) == 0


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGPIPE])
def test_other_signals_do_nothing(host: Host, number: signal.Signals) -> None:
    daemon = host.start(portmap())

    daemon.send_signal(number)

    with stream(host, SOCKET) as client:
        assert client.ask(call(1, 2, 0)) == success(1)
    assert daemon.poll() is None


def test_call_under_way_does_not_delay_the_end(host: Host) -> None:
    daemon = host.start(portmap())

    with stream(host, ("127.0.0.1", 111)) as half, stream(host, SOCKET) as idle:
        half.send(words(0x80000028, 1, 0))
        idle.ask(call(1, 2, 0))
        daemon.terminate()

        assert finished(daemon) == 0


def test_daemon_starts_over_leftovers_of_a_kill(host: Host) -> None:
    daemon = host.start(portmap())
    daemon.kill()
    finished(daemon)
    assert Path(host.path(SOCKET)).is_socket()

    host.start(portmap())

    with stream(host, SOCKET) as client:
        assert client.ask(call(1, 2, 0)) == success(1)


@pytest.mark.parametrize("name", [None, "daemon", "1"])
def test_it_keeps_no_privilege_once_it_serves(host: Host, name: str | None) -> None:
    options = () if name is None else ("--user", name)
    user = user_of(name, USERS)
    assert user is not None

    daemon = host.start(portmap(*options))

    status = status_of(daemon.pid)
    assert status["Uid"].split() == [str(user.pw_uid)] * 4
    assert status["Gid"].split() == [str(user.pw_gid)] * 4
    assert status["Groups"] == ""
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}


def test_the_local_socket_is_for_everybody(host: Host) -> None:
    host.start(portmap())

    done = host.run(["rpcinfo"], uid=pwd.getpwnam("nobody").pw_uid)

    assert Path(host.path(SOCKET)).stat().st_mode & 0o777 == 0o666
    assert done.returncode == 0


ANY4, ANY6, LO4, LO6 = "0.0.0.0:111", "[::]:111", "127.0.0.1:111", "[::1]:111"


@pytest.mark.parametrize(
    ("options", "addresses"),
    [
        ((), {ANY4, ANY6}),
        (("-l",), {LO4, LO6}),
        (("-h", "10.9.0.1"), {LO4, LO6, "10.9.0.1:111"}),
        (("-h", "10.9.0.1", "-h", "10.77.0.1"), {LO4, LO6, "10.9.0.1:111", "10.77.0.1:111"}),
        (("-h", "127.0.0.1", "-h", "::1"), {LO4, LO6}),
        (("-4",), {ANY4}),
        (("-6",), {ANY6}),
        (("-4", "-l"), {LO4}),
        (("-p", "10111"), {"0.0.0.0:10111", "[::]:10111"}),
    ],
    ids=str,
)
def test_options_decide_the_bound_addresses(
    host: Host, options: tuple[str, ...], addresses: set[str]
) -> None:
    need("ss")
    daemon = host.start(portmap(*options))

    assert bound(host) == {(proto, place) for proto in ("udp", "tcp") for place in addresses}
    assert daemon.poll() is None


@pytest.mark.parametrize(
    ("options", "addresses"),
    [((), {ANY4, ANY6}), (("-l",), {LO4}), (("-h", "10.9.0.1"), {LO4, "10.9.0.1:111"})],
    ids=str,
)
def test_a_host_without_ipv6_is_served_over_ipv4(
    host: Host, options: tuple[str, ...], addresses: set[str]
) -> None:
    """The kernel supports the protocol, but no interface has such an address."""
    need("ss")
    host.sh("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6")

    host.start(portmap("-r", *options))

    places = {place for place in bound(host) if place[1].endswith(":111")}
    assert places == {(proto, place) for proto in ("udp", "tcp") for place in addresses}


def bound(host: Host) -> set[tuple[str, str]]:
    """Protocol and local address of every listening socket."""
    listed = [line.split() for line in host.run(["ss", "-Hlnut"]).stdout.splitlines()]
    return {(columns[0], columns[4]) for columns in listed}


def test_verbose_logs_every_call(host: Host) -> None:
    script = f"exec {shlex.join(PORTMAP)} -f -v 2>/run/log"
    host.start(PortMapper(("sh", "-c", script), needs="sh"))

    with stream(host, ("127.0.0.1", 111)) as client:
        client.ask(call(1, 2, 3, 100003, 3, 6, 0))

    said = Path(host.path("/run/log")).read_text()
    assert "portmap: connect from 127.0.0.1 to getport/addr(nfs)\n" in said


WARM_C = PortMapper(("rpcbind", "-f", "-w"), needs="rpcbind")
WARM = portmap("-w", "/run/rpcbind")


def warm_folder(host: Host) -> None:
    """The state directory belongs to the port mapper's user, as a package sets it up."""
    user = user_of(None, USERS)
    assert user is not None
    host.sh(f"chown {user.pw_name} /run/rpcbind")


def register(host: Host) -> None:
    mapper = host.mapper()
    for netid, wildcard in (("tcp", "0.0.0.0"), ("udp6", "::"), ("udp", "0.0.0.0")):
        assert sync.run(mapper.set(PROGRAM, 3, netid, f"{wildcard}.8.1"))
    with stream(host, ("127.0.0.1", 111)) as client:
        assert client.ask(call(1, 2, 1, PROGRAM, 4, 6, 9)) == success(1, 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [(WARM_C, WARM), (WARM, WARM_C), (WARM, WARM)],
    ids=["ours reads C's files", "C reads our files", "ours reads our files"],
)
def test_registrations_outlive_a_restart(host: Host, before: PortMapper, after: PortMapper) -> None:
    need("rpcbind")
    warm_folder(host)
    daemon = host.start(before)
    register(host)
    registered = host.registered(PROGRAM)
    daemon.terminate()
    finished(daemon)

    host.start(after)

    assert len(registered) == 4
    assert host.registered(PROGRAM) == registered
    with stream(host, ("127.0.0.1", 111)) as client:
        assert client.ask(call(1, 2, 3, PROGRAM, 3, 6, 0)) == success(1, 2049)


def test_our_registrations_outlive_a_kill(host: Host) -> None:
    warm_folder(host)
    daemon = host.start(WARM)
    register(host)
    registered = host.registered(PROGRAM)
    daemon.kill()
    finished(daemon)

    host.start(WARM)

    assert host.registered(PROGRAM) == registered


def test_unreadable_warm_start_file_is_renamed(host: Host) -> None:
    warm_folder(host)
    folder = Path(host.path("/run/rpcbind"))
    user = user_of(None, USERS)
    assert user is not None
    for name in ("rpcbind.xdr", "portmap.xdr"):
        (folder / name).write_bytes(b"no XDR")
        (folder / name).chmod(0o600)
        os.chown(folder / name, user.pw_uid, user.pw_gid)

    host.start(WARM)

    assert host.registered(PROGRAM) == []
    assert {path.name for path in folder.iterdir()} >= {"rpcbind.xdr.corrupt"}
